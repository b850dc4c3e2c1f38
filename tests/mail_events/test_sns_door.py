"""Amazon SES by way of SNS over HTTP; its certificate is our own, and so is who fetches it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.mail_events.providers import (
    CERTIFICATE_URL,
    SNS_ORIGIN,
    TOPIC,
    AmazonSns,
    complaint,
    unsubscribe,
)
from tests.support.cast import ANN, BOB

ANOTHER_TOPIC = "arn:aws:sns:us-east-1:123456789012:another"


@pytest.fixture
def post_message(post):
    async def posted(message):
        return await post("ses", body=json.dumps(message).encode())

    return posted


async def refused(reply):
    assert (reply.status, (await reply.json())["code"]) == (403, "unsigned_mail_events")


@pytest.mark.parametrize("version", ["1", "2"])
async def test_both_versions_of_the_signature_are_believed(post_message, may_mail, sns, version):
    reply = await post_message(sns.message(unsubscribe("ses"), version=version, Subject="Amazon"))
    assert reply.status == 200, await reply.text()
    assert not await may_mail()


@pytest.mark.parametrize(
    "altered",
    [
        {"Message": json.dumps(unsubscribe("ses", BOB))},
        {"MessageId": "another"},
        {"Timestamp": "2026-03-02T09:00:00.000Z"},
        {"Subject": "added"},
        {"Signature": ""},
        {"Signature": "!"},
        {"Signature": None},
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": None},
        {"Type": "UnsubscribeConfirmation"},
    ],
)
async def test_whatever_is_altered_is_refused(post_message, may_mail, sns, altered):
    message = sns.message(unsubscribe("ses")) | altered
    await refused(await post_message({k: v for k, v in message.items() if v is not None}))
    assert await may_mail()
    assert await may_mail(BOB)


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.us-east-1.amazonaws.com.example.com/SimpleNotificationService-0.pem",
        "https://example.com/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com@example.com/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com:8443/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com.cn/SimpleNotificationService-0.pem",
        "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://s3.amazonaws.com/SimpleNotificationService-0.pem",
        f"{SNS_ORIGIN}/../SimpleNotificationService-0.pem",
        f"{SNS_ORIGIN}/?Action=ListTopics#/SimpleNotificationService-0.pem",
        f"{CERTIFICATE_URL}?x=y",
        f"{SNS_ORIGIN}/other.pem",
        "file:///etc/ssl/certs/ca.pem",
        "",
    ],
)
async def test_a_certificate_from_elsewhere_is_not_even_fetched(post_message, may_mail, sns, url):
    await refused(await post_message(sns.message(unsubscribe("ses"), SigningCertURL=url)))
    assert not sns.asked
    assert await may_mail()


async def test_another_topic_is_refused_though_sns_signed_it(post_message, may_mail, sns):
    await refused(await post_message(sns.message(unsubscribe("ses"), TopicArn=ANOTHER_TOPIC)))
    assert not sns.asked
    assert await may_mail()


async def test_a_certificate_is_fetched_once(post_message, sns):
    messages = [sns.message(unsubscribe("ses", f"p{n}@example.org")) for n in range(5)]
    replies = await asyncio.gather(*map(post_message, messages))
    assert {reply.status for reply in replies} == {200}
    assert sns.asked == [CERTIFICATE_URL]


async def test_while_a_certificate_cannot_be_fetched_sns_is_told_to_come_again(
    post_message, may_mail, sns
):
    url = CERTIFICATE_URL.replace("0123", "4567")
    message = sns.message(unsubscribe("ses"), SigningCertURL=url)
    for document in (None, b"no certificate"):
        sns.documents |= {url: document} if document else {}
        reply = await post_message(message)
        assert (reply.status, (await reply.json())["code"]) == (503, "sns_unreachable")
        assert reply.headers["Retry-After"]
    sns.documents[url] = sns.certificate
    assert (await post_message(message)).status == 200
    assert not await may_mail()
    del sns.documents[url]


async def test_a_key_that_is_not_the_certificates_signs_nothing(post_message, may_mail, sns):
    other = AmazonSns()
    await refused(await post_message(other.message(unsubscribe("ses"))))
    assert await may_mail()


async def test_a_certificate_that_had_expired_when_it_signed_is_refused(post_message, sns):
    url = CERTIFICATE_URL.replace("0123", "89ab")
    sns.documents[url] = sns._certificate(sns.key, days=-1)
    await refused(await post_message(sns.message(unsubscribe("ses"), SigningCertURL=url)))


async def test_what_was_signed_while_it_was_valid_may_come_after_it(post_message, may_mail, sns):
    url = CERTIFICATE_URL.replace("0123", "cdef")
    sns.documents[url] = sns._certificate(sns.key, days=-1)
    then = datetime.now(UTC) - timedelta(days=10)
    message = sns.message(
        unsubscribe("ses", at=then.timestamp()), SigningCertURL=url, Timestamp=then.isoformat()
    )
    assert (await post_message(message)).status == 200
    assert not await may_mail()


async def test_a_message_from_before_its_certificate_is_refused(post_message, may_mail, sns):
    message = sns.message(unsubscribe("ses"), Timestamp="2020-01-01T00:00:00.000Z")
    await refused(await post_message(message))
    assert await may_mail()


async def test_a_subscription_to_the_configured_topic_is_confirmed(post_message, sns):
    message = sns.confirmation()
    reply = await post_message(message)
    assert (reply.status, (await reply.json())["events"]) == (200, 0)
    assert sns.asked[-1] == message["SubscribeURL"]


@pytest.mark.parametrize(
    "more",
    [
        {"TopicArn": ANOTHER_TOPIC},
        {"SubscribeURL": "https://example.com/?Action=ConfirmSubscription"},
        {"SubscribeURL": f"{SNS_ORIGIN}/?Action=DeleteTopic&TopicArn={TOPIC}"},
        {"SubscribeURL": f"{SNS_ORIGIN}/?Action=ConfirmSubscription&TopicArn={ANOTHER_TOPIC}"},
        {"SubscribeURL": f"{SNS_ORIGIN}/x?Action=ConfirmSubscription&TopicArn={TOPIC}"},
        {"SubscribeURL": None},
    ],
)
async def test_nothing_else_is_confirmed(post_message, sns, more):
    await refused(await post_message(sns.confirmation(**more)))
    assert not [url for url in sns.asked if "Action" in url]


async def test_an_unsigned_confirmation_is_not_followed(post_message, sns):
    await refused(await post_message(sns.confirmation() | {"Signature": "AAAA"}))
    assert not [url for url in sns.asked if "Action" in url]


async def test_the_end_of_a_subscription_is_answered_and_changes_nothing(post_message, sns):
    message = sns.confirmation(Type="UnsubscribeConfirmation")
    assert (await post_message(message)).status == 200
    assert not [url for url in sns.asked if "Action" in url]


async def test_an_event_without_its_envelope_is_refused(post, may_mail):
    reply = await post("ses", body=json.dumps(unsubscribe("ses")).encode())
    assert (reply.status, (await reply.json())["code"]) == (400, "invalid_body")
    assert await may_mail()


@pytest.mark.parametrize(
    ("text", "unreadable"),
    [
        ("Successfully validated SNS topic for Amazon SES event publishing.", 0),
        ('{"notificationType":"AmazonSnsSubscriptionSucceeded","message":"You have"}', 0),
        ("[1]", 1),
    ],
)
async def test_what_is_no_event_tells_nothing(post_message, sns, recorded, text, unreadable):
    reply = await post_message(sns.message(text))
    assert (await reply.json())["unreadable"] == unreadable
    assert not await recorded()


async def test_everybody_who_may_have_complained_is_opted_out(post_message, may_mail, sns):
    event = complaint("ses")
    event["complaint"]["complainedRecipients"].append({"emailAddress": BOB})
    reply = await post_message(sns.message(event))
    assert (await reply.json())["recorded"] == 2
    assert not await may_mail(ANN)
    assert not await may_mail(BOB)


@pytest.mark.parametrize("feedback", ["not-spam", "auth-failure", "virus"])
async def test_feedback_that_is_no_complaint_changes_nothing(post_message, recorded, sns, feedback):
    event = complaint("ses")
    event["complaint"]["complaintFeedbackType"] = feedback
    assert (await post_message(sns.message(event))).status == 200
    assert not await recorded()
