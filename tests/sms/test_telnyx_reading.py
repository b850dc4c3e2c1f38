"""Telnyx' events read into words that every provider shares, whatever their shape."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.errors import InvalidBody, Refusal, UnreadableMessage
from prefsvc.sms.message import BODY_CHARS_MAX, FIELD_CHARS_MAX
from prefsvc.sms.telnyx.event import parse_event
from prefsvc.sms.telnyx.reading import read_errors, read_messages
from tests.sms.telnyx_client import ORGANIZATION, PROFILE, event, message, number, outcome
from tests.sms.twilio_client import NUMBER, PERSON

OTHER, THIRD = "+12025550124", "+12025550125"
RCS = {"type": "RCS", "text": None, "to": [{"agent_id": "e4448a5c", "agent_name": "Acme"}]}


def read(**more):
    return read_messages(parse_event(event("message.received", message(**more))))


def read_one(**more):
    [found] = read(**more)
    return found


def errors(payload):
    found = read_errors(parse_event(event("message.finalized", payload)))
    return [(status.to, error.code) for status, error in found]


def test_an_event_becomes_a_message():
    found = read_one(id="msg-1", text="STOP", autoresponse_type="STOP")
    assert (found.provider, found.message_id, found.network) == ("telnyx", "msg-1", "sms")
    assert (found.from_, found.to, found.body) == (PERSON, NUMBER, "STOP")
    assert (found.account, found.sender_pool) == (ORGANIZATION, PROFILE)
    assert found.opt_out_type == "STOP"
    assert found.sent_at == datetime(2026, 3, 2, 9, 0, 0, 503000, UTC)
    assert {"autoresponse_type", "text", "from"} <= set(found.parameter_names)
    assert PERSON not in repr(found)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"text": "STOP"}, "STOP"),
        ({"type": "MMS", "text": "", "subject": "Stop"}, "Stop"),
        (RCS | {"body": {"text": "STOP"}}, "STOP"),
        (RCS | {"body": {"suggestion_response": {"text": "Unsubscribe"}}}, "Unsubscribe"),
        (RCS | {"body": {"location": {"latitude": 38.2}}}, ""),
        ({"text": None}, ""),
        ({"text": 5, "body": "STOP"}, ""),
    ],
)
def test_the_words_are_found_wherever_this_kind_of_message_has_them(more, words):
    assert read_one(**more).body == words


@pytest.mark.parametrize(
    ("kind", "network"),
    [("SMS", "sms"), ("MMS", "sms"), ("RCS", "rcs"), (None, "sms"), (7, "sms"), ("New", "new")],
)
def test_the_network_is_named(kind, network):
    assert read_one(type=kind).network == network


@pytest.mark.parametrize("said", [None, "", "NONE", "JOIN", 7, ["STOP"]])
def test_another_answer_of_the_autoresponder_says_nothing(said):
    assert read_one(autoresponse_type=said).opt_out_type is None


@pytest.mark.parametrize("said", ["stop", " STOP "])
def test_which_answer_was_given_is_read_in_any_case(said):
    assert read_one(autoresponse_type=said).opt_out_type == "STOP"


@pytest.mark.parametrize(
    ("received_at", "sent_at"),
    [
        ("2026-03-02T10:00:00+02:00", datetime(2026, 3, 2, 8, 0, tzinfo=UTC)),
        ("2026-03-02T08:00:00Z", datetime(2026, 3, 2, 8, 0, tzinfo=UTC)),
        *(
            (odd, datetime(2026, 3, 2, 9, 0, 0, 588000, UTC))
            for odd in (None, "", "soon", "2026-03-02T08:00:00", 5, "0001-01-01T00:00:00+14:00")
        ),
    ],
)
def test_the_providers_time_is_kept_where_it_is_one(received_at, sent_at):
    assert read_one(received_at=received_at).sent_at == sent_at


def test_a_group_text_is_read_for_each_number_that_it_went_to_once():
    found = read(to=[number(OTHER), number(NUMBER)], cc=[number(NUMBER), number(THIRD)])
    assert [one.to for one in found] == [OTHER, NUMBER, THIRD]
    assert {one.from_ for one in found} == {PERSON}


def test_one_to_an_agent_came_by_the_profile():
    found = read_one(**RCS)
    assert (found.to, found.sender_pool) == (None, PROFILE)


def test_a_profile_is_the_same_in_any_case():
    assert read_one(messaging_profile_id=PROFILE.upper()).sender_pool == PROFILE


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"id": None}, "/data/payload/id"),
        ({"id": " "}, "/data/payload/id"),
        ({"from": None}, "/data/payload/from/phone_number"),
        ({"from": {"phone_number": ["+1"]}}, "/data/payload/from/phone_number"),
    ],
)
def test_what_names_nothing_or_nobody_is_refused(more, pointer):
    with pytest.raises(UnreadableMessage) as refused:
        read(**more)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("cut", ['"STOP \\ud83d"', '"STOP \\u0000"', '"STOP \\udd90\\ud83d"'])
def test_half_an_emoji_loses_no_stop(cut):
    body = event("message.received", message("STOP")).replace(b'"STOP"', cut.encode())
    [found] = read_messages(parse_event(body))
    assert found.body.startswith("STOP \ufffd")
    found.body.encode()


def test_long_values_are_cut():
    found = read_one(text="x" * 9000, organization_id="y" * 9000)
    assert len(found.body) == BODY_CHARS_MAX
    assert len(found.account) == FIELD_CHARS_MAX


# --- errors --------------------------------------------------------------------------------------


def failing(*codes, to, pointer=None):
    source = {"source": {"pointer": pointer}} if pointer else {}
    return outcome(to=PERSON) | {"to": to, "errors": [{"code": one} | source for one in codes]}


def test_an_error_is_about_the_one_recipient_whatever_the_status():
    for status in ("delivery_failed", "sending_failed", "delivery_unconfirmed", None, [], {}):
        assert errors(failing("40300", to=[number(PERSON, status=status)])) == [(PERSON, "40300")]


def test_each_error_of_a_message_is_told():
    assert errors(failing("40300", "40001", "40002", to=[number(PERSON)])) == [
        (PERSON, "40300"),
        (PERSON, "40001"),
    ]


def test_of_several_an_error_is_about_whom_it_points_at():
    to = [number(PERSON, status="delivery_failed"), number(OTHER, status="delivery_failed")]
    assert errors(failing("40001", to=to, pointer="/to/1/phone_number")) == [(OTHER, "40001")]
    assert errors(failing("40300", to=to, pointer="/to/0")) == [(PERSON, "40300")]
    assert errors(failing("40300", to=to, pointer="/to/9")) == []


def test_of_several_an_error_is_about_the_one_that_failed():
    to = [number(PERSON, status="delivered"), number(OTHER, status="delivery_failed")]
    assert errors(failing("40001", "40300", to=to)) == [(OTHER, "40001"), (OTHER, "40300")]


def test_where_several_failed_doubt_is_a_stop_for_each_and_no_landline():
    to = [number(PERSON, status="sending_failed"), number(OTHER, status="delivery_failed")]
    to += [number(THIRD, status="delivered")]
    assert errors(failing("40001", "40300", to=to)) == [(PERSON, "40300"), (OTHER, "40300")]


def test_a_short_code_among_the_recipients_keeps_nobody_from_being_heard():
    to = [number("72645", status="sending_failed"), number(PERSON, status="sending_failed")]
    assert errors(failing("40300", to=to)) == [(PERSON, "40300")]


@pytest.mark.parametrize(
    "code", ["40012", "40310", "40003", "", None, True, [], "４０３００", "40300x"]
)
def test_other_codes_say_nothing(code):
    assert errors(failing(code, to=[number(PERSON)])) == []


def test_a_code_may_be_written_as_a_number():
    assert errors(failing(40300, to=[number(PERSON)])) == [(PERSON, "40300")]


# --- whatever comes ------------------------------------------------------------------------------

NAMES = st.sampled_from(sorted({*message(), *outcome(), "body", "event_type", "phone_number"}))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([PERSON, "40300", "40001", "message.received", "/to/0", "delivery_failed"])
)
SHAPES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(changes=st.dictionaries(NAMES, SHAPES, max_size=5), errs=SHAPES)
def test_no_payload_is_ever_a_fault(changes, errs):
    for payload in (message(**changes), outcome(**changes), outcome("40300", errors=errs)):
        parsed = parse_event(event("message.received", payload))
        for reader in (read_messages, read_errors):
            with suppress(Refusal):
                reader(parsed)


@given(st.binary(max_size=60) | SHAPES.map(lambda shape: json.dumps(shape).encode()))
def test_no_body_is_ever_a_fault(body):
    with suppress(InvalidBody):
        parse_event(body)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b'{"data":[]}', b'{"data":{"event_type":5}}', b"\xff\xfe{}"),
        *(b"[" * 60_000, b'{"data":' * 9_000, b"9" * 60_000, b"\xef\xbb\xbf{}"),
    ],
    ids=lambda body: body[:12].decode(errors="replace"),
)
def test_what_is_no_event_is_refused(body):
    with pytest.raises(InvalidBody):
        parse_event(body)
