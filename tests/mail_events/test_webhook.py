"""Mail providers' webhooks over HTTP, proved as each provider proves itself."""

import asyncio
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tests.mail_events.providers import (
    LISTS,
    PASSWORD,
    PROVIDERS,
    basic,
    bounce,
    complaint,
    mailgun_signature,
    proved,
    sendgrid_signed,
    unsubscribe,
)
from tests.support.cast import ANN, BOB
from tests.support.lists import ACME

BATCHED = ["sendgrid", "sparkpost", "mailjet", "brevo"]
BY_PASSWORD = ["postmark", "sparkpost", "mailjet", "brevo"]


async def taken(reply):
    assert reply.status == 200, await reply.text()
    return await reply.json()


async def code(reply):
    return reply.status, (await reply.json())["code"]


def counted(provider, kind):
    labels = {"provider": provider, "kind": kind}
    return REGISTRY.get_sample_value("prefsvc_mail_events_total", labels) or 0


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_unsubscribe_stops_all_marketing_mail(post, may_mail, recorded, provider):
    before = counted(provider, "unsubscribe")
    reply = await post(provider, unsubscribe(provider))
    assert await taken(reply) == {"events": 1, "recorded": 1, "unreadable": 0}
    assert not await may_mail()
    assert not await may_mail(topic="offers")
    assert await may_mail(message_class="transactional")
    assert await recorded() == [("opt_out", "channel", "", "opt_out", "provider_event", "added")]
    assert counted(provider, "unsubscribe") == before + 1


@pytest.mark.parametrize("provider", [one for one in PROVIDERS if LISTS[one]])
async def test_an_unsubscribe_from_a_list_that_we_know_stops_its_topic(
    post, may_mail, recorded, provider
):
    await taken(await post(provider, unsubscribe(provider, of=LISTS[provider])))
    assert not await may_mail(topic="news")
    assert await may_mail(topic="offers")
    assert await recorded() == [("opt_out", "topic", "news", "opt_out", "provider_event", "added")]


@pytest.mark.parametrize("provider", [one for one in PROVIDERS if LISTS[one]])
async def test_an_unsubscribe_from_a_list_that_we_do_not_know_stops_everything(
    post, may_mail, provider
):
    await taken(await post(provider, unsubscribe(provider, of="4711")))
    assert not await may_mail(topic="news")
    assert not await may_mail(topic="offers")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_complaint_is_one_of_the_whole_brand(post, may_mail, recorded, provider):
    await taken(await post(provider, complaint(provider)))
    assert not await may_mail(topic="offers")
    assert await may_mail(message_class="transactional")
    assert await recorded() == [("opt_out", "brand", "", "complaint", "provider_event", "added")]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_after_a_hard_bounce_nothing_may_be_sent(post, may_mail, recorded, provider):
    await taken(await post(provider, bounce(provider)))
    assert not await may_mail()
    assert not await may_mail(message_class="transactional")
    [row] = await recorded()
    assert row == ("opt_out", "channel", "", "undeliverable", "provider_event", "added")


@pytest.mark.parametrize("status", ["4.2.1", "5.2.2", "5.7.1"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_bounce_that_says_nothing_of_the_address_changes_nothing(
    post, may_mail, recorded, provider, status
):
    await taken(await post(provider, bounce(provider, status=status)))
    assert await may_mail()
    assert not await recorded()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_same_event_many_times_at_once_is_one_opt_out(post, recorded, sns, provider):
    body, headers = proved(provider, unsubscribe(provider), sns=sns)
    replies = await asyncio.gather(*[post(provider, body=body, headers=headers) for _ in range(6)])
    assert {reply.status for reply in replies} == {200}
    assert len(await recorded()) == 1


@pytest.fixture
def change_ones_mind(client, keys):
    async def said():
        opt_in = {"channel": "email", "address": ANN, "source": "phone", "evidence": {"note": "c"}}
        reply = await client.post(f"{ACME}/opt-ins", headers=keys.operator, json=opt_in)
        assert reply.status in {200, 201}, await reply.text()

    return said


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_late_duplicate_does_not_undo_what_the_person_said_since(
    post, change_ones_mind, may_mail, sns, provider
):
    body, headers = proved(provider, unsubscribe(provider, at=1_700_000_000), sns=sns)
    await taken(await post(provider, body=body, headers=headers))
    await change_ones_mind()
    assert await may_mail()
    await taken(await post(provider, body=body, headers=headers))
    assert await may_mail()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_duplicate_without_a_time_does_not_either(
    post, change_ones_mind, may_mail, sns, provider
):
    event = {"date": "2020-10-09"} | without_time(unsubscribe(provider))
    body, headers = proved(provider, event, sns=sns)
    await taken(await post(provider, body=body, headers=headers))
    assert not await may_mail()
    await change_ones_mind()
    await taken(await post(provider, body=body, headers=headers))
    assert await may_mail()


def without_time(event):
    names = {"time", "timestamp", "ts_event", "ChangedAt"}
    return {
        name: without_time(value) if isinstance(value, dict) else value
        for name, value in event.items()
        if name not in names
    }


@pytest.mark.parametrize(
    ("provider", "event"),
    [
        ("sendgrid", {"event": "group_resubscribe", "asm_group_id": 12345, "sg_event_id": "r"}),
        ("postmark", {"SuppressSending": False, "SuppressionReason": None,
                      "MessageStream": "broadcast"}),
        ("ses", {"subscription": {"newTopicPreferences": {
            "unsubscribeAll": False,
            "topicSubscriptionStatus": [{"topicName": "weekly-news",
                                         "subscriptionStatus": "OptIn"}]}}}),
    ],
)  # fmt: skip
async def test_a_resubscribe_is_recorded_and_lifts_nothing(
    post, may_mail, recorded, provider, event
):
    await taken(await post(provider, unsubscribe(provider, of=LISTS[provider])))
    reply = await post(provider, unsubscribe(provider) | event)
    assert (await taken(reply))["recorded"] == 1
    assert not await may_mail(topic="news")
    row = ("opt_in", "topic", "news", "opt_out", "provider_event", "none")
    assert row in await recorded()


async def test_a_resubscribe_before_an_unsubscribe_does_not_hold_it_off(post, may_mail):
    later = int(datetime.now(UTC).timestamp())
    lifted = {"SuppressSending": False, "SuppressionReason": None}
    await post("postmark", unsubscribe("postmark", at=later) | lifted)
    await post("postmark", unsubscribe("postmark", at=later - 3600))
    assert not await may_mail()


SUPPRESSED_THERE = [
    ("sendgrid", {"event": "dropped", "reason": "Unsubscribed Address", "asm_group_id": 12345},
     "opt_out"),
    ("sendgrid", {"event": "dropped", "reason": "Spam Reporting Address"}, "complaint"),
    ("sendgrid", {"event": "dropped", "reason": "Bounced Address"}, "undeliverable"),
    ("mailgun", {"event": "failed", "severity": "permanent", "reason": "suppress-unsubscribe"},
     "opt_out"),
    ("mailgun", {"event": "failed", "severity": "permanent", "reason": "suppress-complaint"},
     "complaint"),
    ("mailjet", {"event": "blocked", "error": "blacklisted"}, "opt_out"),
    ("mailjet", {"event": "blocked", "error": "preblocked"}, "undeliverable"),
    ("brevo", {"event": "blocked", "reason": "blocked : due to blacklist user"}, "opt_out"),
    ("postmark", {"SuppressionReason": "HardBounce"}, "undeliverable"),
    ("postmark", {"SuppressionReason": "SpamComplaint"}, "complaint"),
]  # fmt: skip


@pytest.mark.parametrize("suppressed", SUPPRESSED_THERE)
async def test_what_the_provider_suppresses_itself_is_suppressed_here(
    post, may_mail, recorded, suppressed
):
    provider, event, reason = suppressed
    await taken(await post(provider, unsubscribe(provider) | event))
    assert not await may_mail(topic="offers")
    [row] = await recorded()
    assert row[3] == reason


async def test_delivered_and_opened_change_nothing(post, recorded):
    events = [unsubscribe("sendgrid") | {"event": name} for name in ("delivered", "open", "click")]
    assert await taken(await post("sendgrid", events)) == {
        "events": 3, "recorded": 0, "unreadable": 0,
    }  # fmt: skip
    assert not await recorded()


@pytest.mark.parametrize("provider", BATCHED)
async def test_one_bad_event_takes_nothing_from_the_others(post, may_mail, provider):
    bad = [7, None, "x", [], unsubscribe(provider, ""), unsubscribe(provider, "\0@")]
    events = [unsubscribe(provider, ANN), *bad, unsubscribe(provider, BOB)]
    with capture_logs() as logs:
        reply = await taken(await post(provider, events))
    assert reply == {"events": 8, "recorded": 2, "unreadable": 6}
    assert not await may_mail(ANN)
    assert not await may_mail(BOB)
    [line] = [line for line in logs if line["event"] == "mail_events_unreadable"]
    assert (line["source"], line["events"]) == (f"{provider}-main", 6)
    assert "@" not in str(line)


async def test_a_thousand_events_are_all_recorded(post, may_mail, service):
    events = [unsubscribe("sendgrid", f"person{n}@example.org") for n in range(1000)]
    assert (await taken(await post("sendgrid", events)))["recorded"] == 1000
    count = await service.database.pool.fetchval("select count(*) from suppression where active")
    assert count == 1000
    assert not await may_mail("person999@example.org")


async def test_the_time_is_when_the_person_said_it_and_never_in_the_future(post, service):
    said = datetime(2026, 3, 2, 9, tzinfo=UTC)
    await post("sendgrid", unsubscribe("sendgrid", at=said.timestamp()))
    ahead = (datetime.now(UTC) + timedelta(days=400)).timestamp()
    await post("sendgrid", unsubscribe("sendgrid", BOB, at=ahead))
    rows = await service.database.pool.fetch(
        "select sent_at, received_at from preference_event order by sent_at"
    )
    assert rows[0]["sent_at"] == said
    assert rows[1]["sent_at"] <= rows[1]["received_at"] <= datetime.now(UTC)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_evidence_has_the_event_and_not_the_person(post, service, provider):
    await post(provider, bounce(provider))
    evidence = await service.database.pool.fetchval("select content from evidence")
    assert evidence["provider"] == provider
    assert evidence["mail_event_source"] == f"{provider}-main"
    assert evidence["event_id"]
    assert "ann" not in json.dumps(evidence).lower()
    assert "192.0.2.1" not in json.dumps(evidence)


# --- proof -------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", BY_PASSWORD)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("prefsvc:another"),
        basic("another:a-pass-word"),
        basic(PASSWORD + "x"),
        basic("prefsvc"),
        {"Authorization": "Basic !!!"},
        {"Authorization": f"Bearer {PASSWORD}"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic"},
    ],
)
async def test_without_the_right_credentials_nothing_is_believed(post, may_mail, provider, headers):
    body = json.dumps(unsubscribe(provider)).encode()
    reply = await post(provider, body=body, headers=headers)
    assert await code(reply) == (401, "wrong_mail_event_credentials")
    assert reply.headers["WWW-Authenticate"].startswith("Basic ")
    assert await may_mail()


async def test_credentials_that_come_twice_are_not_believed(client, may_mail):
    header = ("Authorization", basic()["Authorization"])
    reply = await client.post(
        "/hooks/mail/postmark/postmark-main",
        data=json.dumps(unsubscribe("postmark")),
        headers=[header, header],
    )
    assert reply.status == 401
    assert await may_mail()


async def test_any_of_a_sources_secrets_is_good(post, may_mail):
    body = json.dumps(unsubscribe("brevo")).encode()
    token = {"Authorization": "Bearer a-bearer-token"}
    await taken(await post("brevo", body=body, headers=token))
    assert not await may_mail()


async def test_a_secret_of_one_source_is_no_secret_of_another(post, may_mail):
    body = json.dumps(unsubscribe("postmark")).encode()
    token = {"Authorization": "Bearer a-bearer-token"}
    assert (await post("postmark", body=body, headers=token)).status == 401
    assert await may_mail()


async def test_sendgrids_signature_is_over_every_byte_of_the_body(post, may_mail):
    body, headers = proved("sendgrid", unsubscribe("sendgrid"))
    others = sendgrid_signed(body, key=ec.generate_private_key(ec.SECP256R1()))[1]
    without = {name: value for name, value in headers.items() if "Signature" not in name}
    later = headers | {"X-Twilio-Email-Event-Webhook-Timestamp": "1700000000"}
    for altered, with_headers in (
        (body.rstrip(), headers),
        (body.replace(b"ann@", b"bob@"), headers),
        (body, others),
        (body, without),
        (body, later),
        (body, {}),
    ):
        reply = await post("sendgrid", body=altered, headers=with_headers)
        assert await code(reply) == (403, "unsigned_mail_events")
    assert await may_mail()
    assert await may_mail(BOB)


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun"])
@pytest.mark.parametrize("hours", [-2, 49, 24 * 365])
async def test_a_signature_of_another_time_is_not_believed(post, may_mail, provider, hours):
    at = (datetime.now(UTC) - timedelta(hours=hours)).timestamp()
    reply = await post(provider, unsubscribe(provider), at=at)
    assert await code(reply) == (403, "unsigned_mail_events")
    assert await may_mail()


async def test_a_signature_of_yesterday_is_believed_for_providers_try_again(post, may_mail):
    at = (datetime.now(UTC) - timedelta(hours=25)).timestamp()
    await taken(await post("sendgrid", unsubscribe("sendgrid"), at=at))
    assert not await may_mail()


@pytest.mark.parametrize(
    "altered",
    [{"signature": "0" * 64}, {"token": "x"}, {"timestamp": "1"}, {"signature": 7},
     {"signature": "ä"}, {"token": None}],
)  # fmt: skip
async def test_mailguns_signature_must_fit(post, may_mail, altered):
    signature = mailgun_signature() | altered
    body = json.dumps({"signature": signature, "event-data": unsubscribe("mailgun")}).encode()
    assert await code(await post("mailgun", body=body)) == (403, "unsigned_mail_events")
    assert await may_mail()


async def test_a_key_of_another_account_does_not_sign_for_mailgun(post):
    signature = mailgun_signature(key="another")
    body = json.dumps({"signature": signature, "event-data": unsubscribe("mailgun")}).encode()
    assert (await post("mailgun", body=body)).status == 403


async def test_an_account_signs_for_its_subaccounts(post, may_mail):
    signature = mailgun_signature(at=None)
    ours = signature["signature"]
    signature |= {"signature": "0" * 64, "parent-signature": ours}
    body = json.dumps({"signature": signature, "event-data": unsubscribe("mailgun")}).encode()
    await taken(await post("mailgun", body=body))
    assert not await may_mail()


@pytest.mark.parametrize("first", [{"event": "delivered"}, {}])
async def test_mailguns_token_is_good_for_one_event(post, may_mail, first):
    signature = mailgun_signature()

    def body(event):
        return json.dumps({"signature": signature, "event-data": event}).encode()

    seen = body(unsubscribe("mailgun") | first)
    await taken(await post("mailgun", body=seen))
    reply = await post("mailgun", body=body(unsubscribe("mailgun", BOB)))
    assert await code(reply) == (403, "unsigned_mail_events")
    assert await may_mail(BOB)
    await taken(await post("mailgun", body=seen))


async def test_mailguns_form_of_old_is_read(post, may_mail):
    form = mailgun_signature() | {"event": "unsubscribed", "recipient": ANN}
    reply = await post("mailgun", body=form)
    await taken(reply)
    assert not await may_mail()


async def test_a_source_without_a_secret_is_shut(post, may_mail):
    for headers in ({}, basic(), basic("")):
        body = json.dumps(unsubscribe("postmark")).encode()
        reply = await post("postmark", body=body, headers=headers, source="bare")
        assert await code(reply) == (503, "mail_event_secret_missing")
        assert reply.headers["Retry-After"]
    assert await may_mail()


@pytest.mark.parametrize(
    ("provider", "source"),
    [("postmark", "nobody"), ("sendgrid", "postmark-main"), ("none", "postmark-main")],
)
async def test_a_source_that_is_not_there_is_404(post, provider, source):
    reply = await post(provider, body=b"{}", headers=basic(), source=source)
    assert await code(reply) == (404, "unknown_mail_event_source")


# --- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", ""])
async def test_what_the_body_is_said_to_be_does_not_matter(post, may_mail, content_type):
    headers = basic() | {"Content-Type": content_type}
    body = json.dumps(unsubscribe("postmark")).encode()
    await taken(await post("postmark", body=body, headers=headers))
    assert not await may_mail()


BOMBS = [
    b"",
    b"event=unsubscribe&email=ann%40example.org",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b"7",
    b'"text"',
    b"null",
    b"NaN",
    b'{"RecordType": "SubscriptionChange"',
    b"1" * 100_000,
]


@pytest.mark.parametrize("body", BOMBS, ids=range(len(BOMBS)))
@pytest.mark.parametrize("provider", BY_PASSWORD)
async def test_what_is_no_event_is_refused_and_not_repeated(post, provider, body):
    reply = await post(provider, body=body, headers=basic())
    assert await code(reply) == (400, "invalid_body")


@pytest.mark.parametrize("body", BOMBS, ids=range(len(BOMBS)))
@pytest.mark.parametrize("provider", ["mailgun", "ses", "sendgrid"])
async def test_what_is_not_signed_is_refused_whatever_it_is(post, provider, body):
    assert (await post(provider, body=body, headers={})).status in {400, 403}


async def test_a_body_over_the_limit_is_refused(post, service):
    body = io.BytesIO(b" " * (service.settings.mail_event_body_bytes_max + 1))
    assert await code(await post("postmark", body=body, headers=basic())) == (413, "body_too_large")


async def test_more_events_than_are_taken_at_once_are_refused(post):
    reply = await post("mailjet", body=json.dumps([{}] * 10_001).encode(), headers=basic())
    assert await code(reply) == (413, "body_too_large")


async def test_get_changes_nothing(client):
    assert (await client.get("/hooks/mail/postmark/postmark-main")).status == 405


@pytest.fixture
def impatient(service):
    """The service, which waits for its database for a moment only."""
    service.settings = service.settings.model_copy(update={"spool_after_seconds": 0.2})
    return service


@pytest.mark.parametrize("provider", ["postmark", "mailgun"])
async def test_while_the_database_is_away_what_people_asked_for_is_kept(
    post, impatient, may_mail, provider
):
    body, headers = proved(provider, unsubscribe(provider))
    async with impatient.database.pool.acquire() as conn, conn.transaction():
        await conn.execute("lock table preference_event in access exclusive mode")
        await taken(await post(provider, body=body, headers=headers))
        acme = impatient.book.get("acme").brand_id
        recorded = asyncio.create_task(impatient.bell.wait(acme, timeout_seconds=60))
    await recorded  # by the loop that gives back what was kept
    assert not await may_mail()


async def test_while_nothing_can_be_kept_the_provider_is_told_to_come_again(
    post, impatient, may_mail
):
    body, headers = proved("mailgun", unsubscribe("mailgun"))
    items_max, impatient.spool._items_max = impatient.spool._items_max, 0
    async with impatient.database.pool.acquire() as conn, conn.transaction():
        await conn.execute("lock table preference_event in access exclusive mode")
        assert (await post("mailgun", body=body, headers=headers)).status == 503
    impatient.spool._items_max = items_max
    # Its token counts as used once what it proves is stored.
    await taken(await post("mailgun", body=body, headers=headers))
    assert not await may_mail()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), provider=st.sampled_from(PROVIDERS))
async def test_no_event_is_ever_a_fault(post, data, provider):
    event = unsubscribe(provider)
    names = st.sampled_from(sorted(event)) | st.text(max_size=10)
    more = data.draw(st.dictionaries(names, VALUES, max_size=4))
    assert (await post(provider, event | more)).status in {200, 400}
