"""What rows say, in the words of the programs that wrote them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.imports.moments import read_moment
from tests.support.cast import ANN, ANNS_PHONE
from tests.unit.test_imports_reading import read

NOON = datetime(2024, 3, 14, 12, tzinfo=UTC)


def only(header, row, **said):
    """Read a list of one row: the row, or why it is refused."""
    rows, refused = read(f"{header}\n{row}\n", **said)
    return rows[0] if rows else refused[0][1]


# Headers and values as these programs' own exports and interfaces have them, a line each.
# ruff: noqa: E501
EXPORTS = [
    ("SendGrid, unsubscribes", "email,created", f"{ANN},1710417600", "opt_out"),
    ("SendGrid, groups", "email,group_id,group_name,created_at", f"{ANN},7,News,1710417600", "opt_out"),
    ("SendGrid, bounces", "status,reason,email,created", f"5.1.1,550 5.1.1 no such user,{ANN},1710417600", "undeliverable"),
    ("SendGrid, bounces", "status,reason,email,created", f"4.2.2,452 4.2.2 full,{ANN},1710417600", "temporary_failure"),
    ("Mailgun, unsubscribes", "address,tag,created_at", f'{ANN},*,"Thu, 14 Mar 2024 12:00:00 UTC"', "opt_out"),
    ("Mailgun, bounces", "address,code,error,created_at", f"{ANN},550,no such user,1710417600", "undeliverable"),
    ("Mailgun, bounces", "address,code,error,created_at", f"{ANN},421,try later,1710417600", "temporary_failure"),
    ("Mailchimp, unsubscribed", "Email Address,First Name,OPTIN_TIME,UNSUB_TIME,UNSUB_REASON", f"{ANN},Ann,2020-01-01 00:00:00,2024-03-14 12:00:00,NORMAL", "opt_out"),
    ("Mailchimp, unsubscribed", "Email Address,OPTIN_TIME,UNSUB_TIME,UNSUB_REASON", f"{ANN},2020-01-01 00:00:00,,", "not_an_opt_out"),
    ("Mailchimp, cleaned", "Email Address,OPTIN_TIME,CLEAN_TIME", f"{ANN},2020-01-01 00:00:00,2024-03-14 12:00:00", "opt_out"),
    ("Mailchimp, members", "email_address,status,last_changed", f"{ANN},cleaned,2024-03-14T12:00:00+00:00", "undeliverable"),
    ("Mailchimp, members", "email_address,status,last_changed", f"{ANN},transactional,2024-03-14T12:00:00+00:00", "not_an_opt_out"),
    ("Postmark, suppressions", "EmailAddress,SuppressionReason,Origin,CreatedAt", f"{ANN},HardBounce,Recipient,2024-03-14T12:00:00Z", "undeliverable"),
    ("Postmark, suppressions", "EmailAddress,SuppressionReason,Origin,CreatedAt", f"{ANN},SpamComplaint,Recipient,2024-03-14T08:00:00-04:00", "complaint"),
    ("Postmark, suppressions", "EmailAddress,SuppressionReason,Origin,CreatedAt", f"{ANN},ManualSuppression,Customer,2024-03-14T12:00:00Z", "opt_out"),
    ("SES, suppressed", "EmailAddress,Reason,LastUpdateTime", f"{ANN},COMPLAINT,2024-03-14T12:00:00Z", "complaint"),
    ("Klaviyo, suppressed", "Email,Reason,Timestamp", f"{ANN},USER_SUPPRESSED,2024-03-14T12:00:00+00:00", "opt_out"),
    ("Klaviyo, profiles", "Email,Email Marketing Consent,Timestamp", f"{ANN},NEVER_SUBSCRIBED,2024-03-14T12:00:00+00:00", "not_an_opt_out"),
    ("Klaviyo, profiles", "Email,Email Marketing Consent,Timestamp", f"{ANN},UNSUBSCRIBED,2024-03-14T12:00:00+00:00", "opt_out"),
    ("Brevo, contacts", "EMAIL,EMAIL_BLACKLISTED,SMS_BLACKLISTED,blockedAt", f"{ANN},true,false,2024-03-14T12:00:00.000Z", "opt_out"),
    ("Brevo, contacts", "EMAIL,EMAIL_BLACKLISTED,SMS_BLACKLISTED,CREATED_AT", f"{ANN},false,true,2024-03-14 12:00", "not_an_opt_out"),
    ("Twilio, consents", "contact_id,status,source,date_of_consent", f"{ANNS_PHONE},opt-out,opt-out-message,2024-03-14T12:00:00Z", "opt_out"),
    ("Twilio, consents", "contact_id,status,source,date_of_consent", f"{ANNS_PHONE},opt-in,website,2024-03-14T12:00:00Z", "not_an_opt_out"),
    ("a shop", "Email,Accepts Marketing,Date", f'{ANN},no,"Mar 14, 2024 12:00 PM"', "opt_out"),
    ("a shop", "Email,Accepts Marketing,Date", f'{ANN},yes,"Mar 14, 2024 12:00 PM"', "not_an_opt_out"),
    ("a shop", "Email,Accepts Marketing,Date", f"{ANN},,2024-03-14", "not_an_opt_out"),
]  # fmt: skip


@pytest.mark.parametrize(("whose", "header", "row", "outcome"), EXPORTS)
def test_the_lists_of_other_programs_are_read_as_they_are(whose, header, row, outcome):
    found = only(header, row)
    if isinstance(found, str):
        assert found == outcome
        return
    assert (found.reason, found.said_at, found.note) == (outcome, NOON, None)
    assert found.channel == ("sms" if whose.startswith("Twilio") else "email")


@pytest.mark.parametrize(
    "word",
    [
        "subscribed", "Active", "OPT-IN", "opted in", "re-subscribe", "Resubscribed", "START",
        "unstop", "confirmed", "consented", "granted", "group_resubscribe", "lifted", "pending",
    ],
)  # fmt: skip
@pytest.mark.parametrize("column", ["status", "reason", "act", "consent"])
def test_no_word_makes_an_opt_in_or_an_opt_out_of_somebody_who_may_be_written_to(word, column):
    assert only(f"email,{column}", f"{ANN},{word}") == "not_an_opt_out"


def test_a_status_that_nobody_knows_is_refused_and_a_reason_that_nobody_knows_is_told_on():
    assert only("email,status", f"{ANN},gold") == "unknown_status"
    row = only("email,reason,source", f"{ANN},too many mails,checkout")
    assert (row.reason, row.told) == (
        "opt_out", {"reason": "too many mails", "source": "checkout"}
    )  # fmt: skip


def test_a_status_that_says_suppressed_leaves_the_why_to_the_reason():
    assert only("email,status,reason", f"{ANN},suppressed,spam complaint").reason == "complaint"
    assert only("email,status,reason", f"{ANN},bounced,no such user").reason == "undeliverable"
    assert only("email,status,reason", f"{ANN},subscribed,spam complaint") == "not_an_opt_out"
    assert only("email,status", f"{ANN},unsubscribed", reason="complaint").reason == "complaint"
    assert only("email,x", f"{ANN},", reason="undeliverable").reason == "undeliverable"


def test_a_row_that_says_when_somebody_left_says_that_they_did():
    header = "email,unsubscribed_at"
    assert only(header, f"{ANN},2024-03-14").said_at == NOON
    assert only(header, f"{ANN},") == "not_an_opt_out"
    assert only(header, f"{ANN},", all_opted_out=True).note == "without_time"


def test_columns_of_the_other_channel_say_nothing_of_this_one():
    header, row = "email,phone,email_consent,sms_consent", f"{ANN},{ANNS_PHONE},subscribed,stop"
    assert only(header, row, channel="email") == "not_an_opt_out"
    found = only(header, row, channel="sms")
    assert (found.channel, found.address.canonical) == ("sms", ANNS_PHONE)


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (f"e-mail,{ANN}", "email"),
        (f"Text,{ANNS_PHONE}", "sms"),
        (f"WhatsApp,{ANNS_PHONE}", "whatsapp"),
        ("post,K-17", "post"),
        (f"pigeon,{ANN}", "unknown_channel"),
        (f",{ANN}", "email"),
        (f",{ANNS_PHONE}", "sms"),
        (",K-17", "channel_missing"),
        ("email,nobody", "invalid_address"),
        ("sms,12345", "invalid_address"),
        ("email,", "address_missing"),
        (f"email,{ANN}\0", "invalid_address"),
    ],
)
def test_each_row_may_name_its_channel(row, outcome):
    found = only("channel,address", row)
    assert (found if isinstance(found, str) else found.channel) == outcome


def test_a_reference_that_is_an_address_is_not_kept():
    assert only("id,email", f"{ANN},{ANN}").told == {}
    assert only("id,email", f"C-7,{ANN}").told == {"reference": "C-7"}


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("2024-03-14T12:00:00Z", None),
        ("2024-03-14T12:00:00.000+00:00", None),
        ("2024-03-14 12:00:00", None),
        ("2024-03-14 12:00", None),
        ("2024-03-14 12:00:00 UTC", None),
        ("2024-03-14 07:00:00 -0500", None),
        ("2024-03-14 13:00:00 +01:00", None),
        ("2024-03-14", None),
        ("20240314", None),
        ("1710417600", None),
        ("1710417600.0", None),
        ("1710417600000", None),
        ("Thu, 14 Mar 2024 12:00:00 +0000", None),
        ("14 Mar 2024 12:00", None),
        ("Mar 14, 2024 12:00 PM", None),
        ("March 14, 2024", None),
        ("14.03.2024 12:00", None),
        ("14.3.24", None),
        ("14/03/2024 12:00:00", "day-first"),
        ("3/14/2024 12:00 PM", "month-first"),
        ("3/14/24, 12:00", "month-first"),
        ("03-14-2024", "month-first"),
    ],
)
def test_a_moment_is_read_as_programs_write_it(text, order):
    assert read_moment(text, UTC, order) == NOON


@pytest.mark.parametrize(
    "text",
    ["03/04/2024", "14/03/2024", "yesterday", "0001-01-01", "9999-12-31", "2024-13-01", "1", "-1",
     "99999999999999", "2024-03-14T25:00:00", "\u0661\u0662", "12:00", "3/14"],
)  # fmt: skip
def test_a_moment_that_has_no_one_meaning_is_none(text):
    assert read_moment(text, UTC, None) is None
    row = only("email,created", f"{ANN},{text}")
    assert (row.said_at, row.note, row.told["time"]) == (None, "unreadable_time", text)


def test_a_moment_without_a_zone_is_of_the_zone_that_was_named():
    row = only("email,created", f"{ANN},2024-03-14 08:00", time_zone="America/New_York")
    assert row.said_at == NOON


@given(st.text(max_size=40))
def test_no_text_whatever_is_more_than_no_moment(text):
    for order in (None, "day-first", "month-first"):
        found = read_moment(text, UTC, order)
        assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize("text", ["24170227200", "2024-05-01312", "2024-W05-1312"])
def test_no_day_runs_on_into_its_time(text):
    assert read_moment(text, UTC, None) is None


@given(st.datetimes(datetime(1970, 1, 2), datetime(2999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_what_iso_8601_writes_is_read_back(at):
    assert read_moment(at.isoformat(), UTC, None) == at
    assert read_moment(at.isoformat().replace("+00:00", "Z"), UTC, None) == at
    assert read_moment(str(int(at.timestamp())), UTC, None) in {None, at.replace(microsecond=0)}
