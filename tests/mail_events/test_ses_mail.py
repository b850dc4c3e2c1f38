"""Mail that Amazon SES received and publishes by SNS is taken like any other."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from prefsvc.errors import MailNotEnclosed
from prefsvc.mail_events.ses_mail import read_received
from tests.mailbox.conftest import NEWS, mail
from tests.support.cast import ANN, BOB

ARRIVED_AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)


def published(raw, *recipients, encoding="UTF-8", dmarc="PASS", **more):
    """Return what SES publishes of a mail that it received."""
    content = base64.b64encode(raw) if encoding == "Base64" else raw
    return {
        "notificationType": "Received",
        "mail": {
            "timestamp": ARRIVED_AT.isoformat().replace("+00:00", ".000Z"),
            "source": ANN,
            "messageId": "o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g1",
            "destination": ["somebody@elsewhere.example.net"],
        },
        "receipt": {
            "timestamp": ARRIVED_AT.isoformat(),
            "recipients": list(recipients or [NEWS]),
            "spfVerdict": {"status": "PASS"},
            "dkimVerdict": {"status": "GRAY"},
            "dmarcVerdict": {"status": dmarc},
            "action": {"type": "SNS", "topicArn": "arn", "encoding": encoding},
        },
        "content": content.decode(),
    } | more


@pytest.fixture
def publish(post, sns):
    async def published_by_sns(document):
        return await post("ses", body=json.dumps(sns.message(document)).encode())

    return published_by_sns


@pytest.fixture
def short_token(client, keys):
    async def made(**more):
        body = {"channel": "email", "address": ANN, "form": "short", **more}
        reply = await client.post("/v1/brands/acme/links", headers=keys.mailer, json=body)
        return json.loads(await reply.text())["token"]

    return made


@pytest.mark.parametrize("encoding", ["UTF-8", "Base64"])
async def test_a_mail_opts_its_sender_out(publish, may_mail, recorded, encoding):
    reply = await publish(published(mail("Bitte löschen: please unsubscribe"), encoding=encoding))
    assert (reply.status, await reply.json()) == (
        200,
        {"events": 1, "recorded": 1, "unreadable": 0},
    )
    assert not await may_mail()
    assert [row[4] for row in await recorded()] == ["mail_reply"]


async def test_its_evidence_has_what_ses_checked_and_its_clock_runs_from_when_ses_had_it(
    publish, service
):
    assert (await publish(published(mail()))).status == 200
    row = await service.database.pool.fetchrow(
        "select e.received_at, v.content from preference_event e join evidence v using (event_id)"
    )
    assert row["received_at"] == ARRIVED_AT
    assert row["content"]["authenticated"]
    assert row["content"]["authentication"]["by"] == "ses"
    assert row["content"]["handed_over_by"] == "ses ses-main"


@pytest.mark.parametrize("dmarc", ["FAIL", "GRAY", ""])
async def test_a_mail_that_ses_does_not_vouch_for_counts_and_can_be_taken_back(
    publish, may_mail, recorded, dmarc
):
    assert (await publish(published(mail(), dmarc=dmarc))).status == 200
    assert not await may_mail()
    assert [row[4] for row in await recorded()] == ["mail_reply_unproven"]


async def test_a_mail_to_the_tokens_of_two_topics_stops_both(publish, may_mail, short_token):
    tokens = [await short_token(topic=topic) for topic in ("news", "offers")]
    to = [f"u+{token}@stop.example.net" for token in tokens]
    await publish(published(mail("", subject="", from_=BOB, to="undisclosed"), *to))
    assert not await may_mail(topic="news")
    assert not await may_mail(topic="offers")
    assert await may_mail(BOB)


async def test_a_mail_that_is_published_twice_counts_once(publish, recorded):
    for _ in range(2):
        assert (await publish(published(mail()))).status == 200
    assert len(await recorded()) == 1


async def test_a_mail_that_asks_nothing_changes_nothing(publish, recorded):
    reply = await publish(published(mail("Where is my order?")))
    assert (await reply.json())["recorded"] == 0
    assert not await recorded()


@pytest.mark.parametrize("content", [{}, {"content": ""}, {"content": None}, {"content": 1}])
async def test_a_mail_that_is_elsewhere_is_not_lost_in_silence(publish, recorded, content):
    """The S3 action publishes where the mail lies, and not the mail."""
    document = published(mail())
    del document["content"]
    document["receipt"]["action"] = {"type": "S3", "bucketName": "b", "objectKey": "k"}
    reply = await publish(document | content)
    assert (reply.status, (await reply.json())["code"]) == (503, "mail_not_enclosed")
    assert not await recorded()


async def test_who_is_not_sns_posts_no_mail(post, sns, recorded):
    message = sns.message(published(mail())) | {"Signature": "AAAA"}
    assert (await post("ses", body=json.dumps(message).encode())).status == 403
    assert not await recorded()


@pytest.mark.parametrize(
    "more",
    [
        {"receipt": None},
        {"receipt": {"recipients": [1, None, ANN]}},
        {"mail": []},
        {"mail": {"timestamp": "yesterday"}},
        {"content": "!\x00 no mail at all"},
        {"content": "====="},
    ],
)
async def test_whatever_is_odd_about_it_the_rest_counts(publish, more):
    assert (await publish(published(mail()) | more)).status == 200


def test_what_is_of_anything_else_is_no_mail():
    for message in (
        '{"notificationType": "Bounce"}',
        '"Received"',
        '["Received"]',
        "Received",
        "{",
    ):
        assert read_received(message) is None


def test_a_mail_without_its_content_is_refused():
    with pytest.raises(MailNotEnclosed):
        read_received('{"notificationType": "Received"}')
