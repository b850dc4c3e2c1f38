"""Each provider's payloads, as its documentation shows them, in our vocabulary."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc import bounce
from prefsvc.errors import Refusal
from prefsvc.mail_events import (
    brevo,
    fields,
    mailgun,
    mailjet,
    postmark,
    sendgrid,
    ses,
    sparkpost,
)
from prefsvc.mail_events.sns import SnsMessage
from tests.conftest import CORPORA
from tests.mail_events.providers import PROVIDERS, unsubscribe
from tests.support.cast import ANN

PAYLOADS = CORPORA / "webhooks/esp_event_payloads.json"
MOST = 1000
READERS = {
    "brevo": brevo.read,
    "mailgun": mailgun.read,
    "mailjet": mailjet.read,
    "postmark": postmark.read,
    "sendgrid": sendgrid.read,
    "sparkpost": sparkpost.read,
}


def read(provider, document):
    if provider == "ses":
        text = json.dumps(document)
        at = "2026-03-02T09:00:00.000Z"
        return ses.read_notification(text, message_id="sns-1", sent_at=at, most=MOST)
    return READERS[provider](json.dumps(document).encode(), most=MOST)


def only(provider, document):
    [event] = read(provider, document).events
    return event


# Of the vocabulary of the corpus (which is django-anymail's) into ours: what follows from each.
KINDS = {
    "unsubscribed": {"unsubscribe"},
    "subscribed": {"resubscribe"},
    "complained": {"complaint"},
    "bounced": {"bounce_hard", "bounce_soft"},
    # What a provider did not even try may be its own suppression.
    "rejected": {"other", "unsubscribe", "complaint", "bounce_hard"},
}


def corpus():
    every = json.loads(PAYLOADS.read_text("utf-8")) if PAYLOADS.is_file() else {}
    return [
        pytest.param(provider.removeprefix("amazon_"), case, id=f"{provider}-{case['test']}")
        for provider, cases in every.items()
        for case in cases
    ]


@pytest.mark.skipif(not PAYLOADS.is_file(), reason="no corpora; PREFSVC_CORPORA names their folder")
@pytest.mark.parametrize(("provider", "case"), corpus())
def test_payloads_that_others_collected_are_read_as_they_are_meant(provider, case):
    payload, expected = case["payload"], case["expect"]
    document = next(payload[key] for key in payload if key.startswith("raw_"))
    reading = read(provider, document)
    assert not reading.unreadable
    assert {event.kind for event in reading.events} <= KINDS.get(
        expected.get("event_type"), {"other"}
    )
    if expected.get("recipient"):
        assert expected["recipient"] in {event.address for event in reading.events} | {
            "recipient@example.org"  # with a name before it, which prefsvc.address takes off
        }


KINDS_OF = [
    ("sendgrid", {"event": "bounce", "type": "blocked", "status": "5.1.1"}, "bounce_soft"),
    ("sendgrid", {"event": "bounce", "type": "expired"}, "bounce_soft"),
    ("sendgrid", {"event": "bounce", "status": "5.1.1"}, "bounce_hard"),
    *(("sendgrid", {"event": "bounce", "type": "bounce", "status": "5.0.0",
                    "bounce_classification": named}, kind)
      for named, kind in [("Invalid Address", "bounce_hard"), ("Unclassified", "bounce_hard"),
                          ("Technical", "bounce_soft"), ("Content", "bounce_soft"),
                          ("Reputation", "bounce_soft"), ("Mailbox Unavailable", "bounce_soft"),
                          ("Frequency or Volume Too High", "bounce_soft")]),
    ("sendgrid", {"event": "bounce", "reason": "552 The mailbox is full"}, "bounce_soft"),
    ("sendgrid", {"event": "dropped", "reason": "Bounced Address"}, "bounce_hard"),
    ("sendgrid", {"event": "dropped", "reason": "Invalid"}, "bounce_hard"),
    ("sendgrid", {"event": "dropped", "reason": "Unsubscribed Address"}, "unsubscribe"),
    ("sendgrid", {"event": "dropped", "reason": "Spam Reporting Address"}, "complaint"),
    ("sendgrid", {"event": "dropped", "reason": "Spam Content"}, "other"),
    ("sendgrid", {"event": "deferred"}, "other"),
    ("sendgrid", {"event": "group_unsubscribe", "asm_group_id": 7}, "unsubscribe"),
    ("sendgrid", {"event": "group_resubscribe", "asm_group_id": 7}, "resubscribe"),
    ("sendgrid", {"event": "spamreport"}, "complaint"),
    ("sendgrid", {"event": "account_status_change", "type": "suspended"}, "other"),
    ("sendgrid", {"event": 7}, "other"),
    ("postmark", {"RecordType": "Bounce", "Type": "Unsubscribe"}, "unsubscribe"),
    ("postmark", {"RecordType": "Bounce", "Type": "Subscribe"}, "resubscribe"),
    ("postmark", {"RecordType": "Bounce", "Type": "SpamNotification"}, "complaint"),
    ("postmark", {"RecordType": "Bounce", "Type": "BadEmailAddress"}, "bounce_hard"),
    ("postmark", {"RecordType": "Bounce", "Type": "SoftBounce"}, "bounce_soft"),
    ("postmark", {"RecordType": "Bounce", "Type": "Transient"}, "other"),
    *(("postmark", {"RecordType": "Bounce", "Type": named}, "other")
      for named in ("AddressChange", "DnsError", "OpenRelayTest", "Unknown", "DMARCPolicy",
                    "ChallengeVerification", "ManuallyDeactivated", "Unconfirmed",
                    "SMTPApiError", "InboundError", "TemplateRenderingFailed")),
    ("postmark", {"RecordType": "Bounce", "Type": "HardBounce", "Details":
                  "smtp;550 5.1.1 <x> User unknown"}, "bounce_hard"),
    ("postmark", {"RecordType": "Bounce", "Type": "HardBounce", "Details":
                  "smtp;554 mailbox is full"}, "bounce_soft"),
    *(("postmark", {"RecordType": "SubscriptionChange", "SuppressSending": True,
                    "SuppressionReason": why}, kind)
      for why, kind in [("HardBounce", "bounce_hard"), ("SpamComplaint", "complaint"),
                        ("ManualSuppression", "unsubscribe")]),
    *(("postmark", {"RecordType": named}, "other")
      for named in ("Delivery", "Open", "Click", "Inbound")),
    ("postmark", {"RecordType": "Bounce", "Type": "AutoResponder"}, "other"),
    ("postmark", {"RecordType": "Bounce", "Type": "Blocked"}, "other"),
    ("postmark", {"RecordType": "SubscriptionChange", "SuppressSending": True}, "unsubscribe"),
    ("postmark", {"RecordType": "SubscriptionChange", "SuppressionReason": "New"}, "unsubscribe"),
    ("postmark", {"RecordType": "SubscriptionChange", "SuppressSending": False}, "resubscribe"),
    ("postmark", {"FromFull": {"Email": ANN}, "TextBody": "unsubscribe"}, "other"),
    ("mailjet", {"event": "bounce", "hard_bounce": False, "error": "quota exceeded"},
     "bounce_soft"),
    ("mailjet", {"event": "bounce", "hard_bounce": True, "error_related_to": "spam",
                 "error": "sender blocked"}, "bounce_soft"),
    ("mailjet", {"event": "bounce", "hard_bounce": True, "error": "quota exceeded"},
     "bounce_soft"),
    ("mailjet", {"event": "bounce", "hard_bounce": True, "error": "user unknown",
                 "error_related_to": "recipient"}, "bounce_hard"),
    ("mailjet", {"event": "bounce", "hard_bounce": True, "error": "no mail host",
                 "error_related_to": "domain"}, "bounce_hard"),
    ("mailjet", {"event": "unsub"}, "unsubscribe"),
    ("mailjet", {"event": "spam", "source": "JMRPP"}, "complaint"),
    *(("mailjet", {"event": named}, "other") for named in ("sent", "open", "click")),
    ("mailjet", {"event": "blocked", "error": "preblocked"}, "bounce_hard"),
    ("mailjet", {"event": "blocked", "error": "spam reporter"}, "complaint"),
    ("mailjet", {"event": "blocked", "error": "duplicate in campaign"}, "other"),
    ("brevo", {"event": "unsubscribed"}, "unsubscribe"),
    ("brevo", {"event": "hardBounce"}, "bounce_hard"),
    ("brevo", {"event": "unsubscribe"}, "unsubscribe"),
    ("brevo", {"event": "spam"}, "complaint"),
    ("brevo", {"event": "complaint"}, "complaint"),
    ("brevo", {"event": "invalid_email"}, "bounce_hard"),
    ("brevo", {"event": "soft_bounce"}, "bounce_soft"),
    ("brevo", {"event": "blocked", "reason": "Contact is in the blocklist"}, "unsubscribe"),
    *(("brevo", {"event": named}, "other")
      for named in ("request", "delivered", "deferred", "opened", "unique_opened",
                    "proxy_open", "click", "error", "contact_updated")),
    ("brevo", {"event": "hard_bounce", "reason": "552 5.2.2 mailbox full"}, "bounce_soft"),
    ("brevo", {"event": "list_addition", "list_id": [7]}, "other"),
    ("brevo", {"event": "contact_deleted"}, "other"),
    ("brevo", {"event": "blocked", "reason": "blocked : due to sender"}, "other"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "document", "kind"), KINDS_OF)
def test_every_event_has_its_kind(provider, document, kind):
    assert only(provider, document).kind == kind


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"type": "link_unsubscribe"}, "unsubscribe"),
        ({"type": "spam_complaint"}, "complaint"),
        ({"type": "spam_complaint", "fbtype": "not-spam"}, "other"),
        ({"type": "bounce", "bounce_class": "30"}, "bounce_hard"),
        ({"type": "out_of_band", "bounce_class": 10}, "bounce_hard"),
        ({"type": "out_of_band", "bounce_class": "10", "reason": "550 5.7.1 no"}, "bounce_soft"),
        ({"type": "bounce", "bounce_class": "22"}, "bounce_soft"),
        ({"type": "bounce", "bounce_class": "51"}, "bounce_soft"),
        ({"type": "bounce", "bounce_class": "60"}, "other"),
        ({"type": "bounce", "bounce_class": "80"}, "resubscribe"),
        ({"type": "bounce", "bounce_class": "90"}, "unsubscribe"),
        ({"type": "policy_rejection", "raw_reason": "550 5.7.1 recipient address was "
          "suppressed due to customer policy"}, "unsubscribe"),
        ({"type": "policy_rejection", "raw_reason": "550 5.7.1 policy"}, "other"),
        ({"type": "delay", "bounce_class": "21"}, "other"),
    ],
)  # fmt: skip
def test_every_event_of_sparkposts_has_its_kind(told, kind):
    assert only("sparkpost", [{"msys": {"any_event": told}}]).kind == kind


def test_sparkposts_ping_has_no_event():
    assert read("sparkpost", [{"msys": {}}]).events == ()


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"severity": "permanent", "reason": "bounce"}, "bounce_hard"),
        ({"severity": "permanent", "reason": "suppress-bounce"}, "bounce_hard"),
        ({"severity": "permanent", "reason": "old"}, "bounce_soft"),
        ({"severity": "permanent", "reason": "espblock"}, "bounce_soft"),
        ({"severity": "permanent", "reason": "generic",
          "delivery-status": {"code": 550, "message": "5.1.1 no such user"}}, "bounce_hard"),
        ({"severity": "permanent", "reason": "bounce",
          "delivery-status": {"code": 552, "enhanced-code": "5.2.2"}}, "bounce_soft"),
        ({"severity": "temporary", "reason": "bounce"}, "other"),
        ({}, "other"),
    ],
)  # fmt: skip
def test_every_failure_of_mailguns_has_its_kind(told, kind):
    assert only("mailgun", {"event-data": {"event": "failed"} | told}).kind == kind


@pytest.mark.parametrize(
    ("kind", "told", "expected"),
    [
        ("Permanent", {"status": "5.1.1"}, "bounce_hard"),
        ("Permanent", {}, "bounce_hard"),
        ("Permanent", {"diagnosticCode": "smtp; 550 5.7.1 policy"}, "bounce_soft"),
        ("Permanent", {"diagnosticCode": "smtp; 552 mailbox full"}, "bounce_soft"),
        ("Transient", {"status": "5.1.1"}, "bounce_soft"),
        ("Undetermined", {}, "bounce_soft"),
    ],
)
def test_every_bounce_of_ses_has_its_kind(kind, told, expected):
    recipients = [{"emailAddress": ANN} | told]
    document = {
        "eventType": "Bounce",
        "bounce": {"bounceType": kind, "bouncedRecipients": recipients},
    }
    assert only("ses", document).kind == expected


@pytest.mark.parametrize(
    ("feedback", "kind"),
    [
        ("abuse", "complaint"),
        ("fraud", "complaint"),
        ("other", "complaint"),
        (None, "complaint"),
        ("not-spam", "other"),
        ("Not-Spam", "other"),
        ("virus", "other"),
        ("auth-failure", "other"),
    ],
)
def test_every_complaint_of_ses_has_its_kind(feedback, kind):
    about = {
        "complainedRecipients": [{"emailAddress": ANN}],
        "complaintFeedbackType": feedback,
    }
    assert only("ses", {"eventType": "Complaint", "complaint": about}).kind == kind


@pytest.mark.parametrize(
    "name", ["Send", "Delivery", "Open", "Click", "Reject", "DeliveryDelay", "Rendering Failure"]
)
def test_other_events_of_ses_say_nothing(name):
    assert only("ses", {"eventType": name, "mail": {"destination": [ANN]}}).kind == "other"


def test_of_ses_every_topic_that_is_left_is_told():
    event = unsubscribe("ses", of="one")
    topics = event["subscription"]["newTopicPreferences"]["topicSubscriptionStatus"]
    topics += [
        {"topicName": "two", "subscriptionStatus": "OptIn"},
        {"topicName": "three", "subscriptionStatus": "OptOut"},
    ]
    told = [(one.kind, one.lists) for one in read("ses", event).events]
    assert told == [
        ("unsubscribe", ("one",)),
        ("resubscribe", ("two",)),
        ("unsubscribe", ("three",)),
    ]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_event_has_the_same_id_however_often_it_is_told(provider):
    document = unsubscribe(provider)
    again = dict(reversed(document.items()))
    wrapped = {"event-data": document} if provider == "mailgun" else document
    wrapped_again = {"event-data": again} if provider == "mailgun" else again
    assert only(provider, wrapped).event_id == only(provider, wrapped_again).event_id


@pytest.mark.parametrize("provider", [one for one in PROVIDERS if one != "ses"])
def test_two_events_have_two_ids(provider):
    first, second = (
        {"event-data": unsubscribe(provider)} if provider == "mailgun" else unsubscribe(provider)
        for _ in range(2)
    )
    assert only(provider, first).event_id != only(provider, second).event_id


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_address_and_no_words_show_in_a_repr(provider):
    document = unsubscribe(provider) | {"reason": f"<{ANN}> said so"}
    event = only(provider, {"event-data": document} if provider == "mailgun" else document)
    assert event.address == ANN
    assert "ann@" not in repr(event)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ((), "bounce_hard"),
        (("", "550 no such user"), "bounce_hard"),
        (("5.1.1",), "bounce_hard"),
        (("5.0.0",), "bounce_hard"),
        (("5.2.1",), "bounce_hard"),
        (("5.2.2",), "bounce_soft"),
        (("5.7.26",), "bounce_soft"),
        (("4.4.1",), "bounce_soft"),
        (("5.0.0", "550 mailbox is full"), "bounce_soft"),
        (("", "554 rejected as spam"), "bounce_soft"),
        (("5.1.1", "550 5.1.1 unknown user, or disabled"), "bounce_hard"),
        (("", "550-5.7.1 blocked, see 5.1.1"), "bounce_soft"),
        (("", "from 192.5.7.1 and 5.7.1.2 refused"), "bounce_hard"),
    ],
)
def test_a_status_says_whether_an_address_is_dead(told, kind):
    assert bounce.of_permanent(*told) == kind


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (1_772_442_000, "2026-03-02T09:00:00+00:00"),
        (1_772_442_000.5, "2026-03-02T09:00:00.500000+00:00"),
        ("1772442000", "2026-03-02T09:00:00+00:00"),
        (1_772_442_000_000, "2026-03-02T09:00:00+00:00"),
        ("2026-03-02T04:00:00.3963933-05:00", "2026-03-02T09:00:00.396393+00:00"),
        ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00+00:00"),
        *((nothing, None) for nothing in ("", "soon", None, True, -1, 1e300, [], "9" * 400)),
        *((nothing, None) for nothing in ("NaN", "inf", "0001-01-01T00:00:00+23:59")),
    ],
)
def test_moments_are_read_in_every_spelling(value, at):
    assert fields.moment(value) == (at and datetime.fromisoformat(at).astimezone(UTC))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from([ANN, "bounce", "Bounce", "Permanent", "5.1.1", "permanent", "\0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    sorted({name for one in PROVIDERS for name in unsubscribe(one)} | {"bounce", "msys", "status"})
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=8) | VALUES


@given(DOCUMENTS | st.lists(DOCUMENTS, max_size=3), st.sampled_from(PROVIDERS))
def test_whatever_is_posted_is_read_or_refused(document, provider):
    try:
        reading = read(provider, document)
    except Refusal:
        return
    assert all(len(event.reason) <= 512 for event in reading.events)
    assert not any("\0" in event.address for event in reading.events)


@given(st.binary(max_size=200), st.sampled_from(sorted(READERS)))
def test_whatever_bytes_are_posted_are_read_or_refused(body, provider):
    try:
        READERS[provider](body, most=MOST)
    except Refusal:
        return


@given(st.binary(max_size=200) | DOCUMENTS.map(lambda one: json.dumps(one).encode()))
def test_whatever_is_posted_as_sns_is_a_message_or_refused(body):
    try:
        message = SnsMessage.read(body)
    except Refusal:
        return
    assert message.signed is not None


def test_no_more_events_are_read_than_may_be():
    with pytest.raises(Refusal, match="more than 2 events"):
        mailjet.read(b"[{}, {}, {}]", most=2)
