import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from prefsvc.errors import UnreadableMessage
from prefsvc.sms.message import BODY_CHARS_MAX, InboundMessage, intent
from prefsvc.sms.twilio.answered import is_answered
from prefsvc.sms.twilio.form import PARAMETERS_MAX, parse_form
from prefsvc.sms.twilio.reading import read_message
from tests.sms.twilio_client import ACCOUNT_SID, NUMBER, PERSON, SERVICE_SID, sms


def read(*args, **more):
    return read_message(MultiDict(sms(*args, **more)))


def test_a_recorded_form_is_read_whole():
    form = sms("Stop", MessagingServiceSid=SERVICE_SID, OptOutType="STOP", NumMedia="2")
    message = read_message(MultiDict(form))
    assert message == InboundMessage(
        provider="twilio",
        message_id=form["MessageSid"],
        account=ACCOUNT_SID,
        sender_pool=SERVICE_SID,
        network="sms",
        from_=PERSON,
        to=NUMBER,
        body="Stop",
        opt_out_type="STOP",
        media_count=2,
        parameter_names=tuple(sorted(form)),
    )


@pytest.mark.parametrize("area", ["800", "833", "844", "855", "866", "877", "888"])
@pytest.mark.parametrize("body", ["STOP", "start", " Unstop\n"])
def test_the_network_of_toll_free_numbers_answers_three_words(area, body):
    assert is_answered(read(body, to=f"+1{area}5550123"))


@pytest.mark.parametrize(
    ("body", "to"),
    [
        ("HELP", "+18005550123"),
        ("please stop", "+18005550123"),
        ("STOP", "whatsapp:+18005550123"),
        ("STOP", NUMBER),
        ("STOP", "88555"),
        ("STOP", "+448005550123"),
    ],
)
def test_what_nobody_has_answered_is_left_to_the_brands_file(body, to):
    from_ = f"whatsapp:{PERSON}" if to.startswith("whatsapp:") else PERSON
    assert not is_answered(read(body, from_=from_, to=to))


def test_a_stop_to_a_pool_without_its_number_was_answered_by_no_network():
    assert not is_answered(read("STOP", to=None, MessagingServiceSid=SERVICE_SID))


def test_a_form_of_the_least_is_read():
    form = MultiDict({"MessageSid": "SM1", "From": PERSON, "MessagingServiceSid": "MG1"})
    message = read_message(form)
    assert (message.to, message.body, message.account) == (None, "", None)
    assert (message.opt_out_type, message.media_count) == (None, 0)


@pytest.mark.parametrize("blank", [None, "", "  ", "whatsapp:", "whatsapp: "])
@pytest.mark.parametrize("name", ["From", "To"])
def test_a_message_from_or_to_nobody_is_refused(name, blank):
    form = {n: v for n, v in (sms() | {name: blank}).items() if v is not None}
    with pytest.raises(UnreadableMessage) as refusal:
        read_message(MultiDict(form))
    assert refusal.value.pointer == name
    assert PERSON not in str(refusal.value)


@pytest.mark.parametrize("name", ["MessageSid", "SmsSid", "SmsMessageSid"])
def test_any_of_the_three_ids_names_the_message(name):
    sids = dict.fromkeys(["MessageSid", "SmsSid", "SmsMessageSid"], "")
    assert read(**(sids | {name: "SM1"})).message_id == "SM1"


def test_a_message_without_an_id_is_refused():
    with pytest.raises(UnreadableMessage) as refusal:
        read(MessageSid=None, SmsSid="", SmsMessageSid=None)
    assert refusal.value.pointer == "MessageSid"


@pytest.mark.parametrize(
    ("written", "network", "address"),
    [
        ("+12025550123", "sms", "+12025550123"),
        ("whatsapp:+12025550123", "whatsapp", "+12025550123"),
        ("WhatsApp: +12025550123 ", "whatsapp", "+12025550123"),
        ("rcs:brand_agent", "rcs", "brand_agent"),
        ("messenger:1234567890", "messenger", "1234567890"),
        ("tel:+12025550123", "sms", "+12025550123"),
        ("sms:+12025550123", "sms", "+12025550123"),
        ("72645", "sms", "72645"),
        ("12025550123:", "sms", "12025550123:"),
    ],
)
def test_the_network_is_parted_from_the_address(written, network, address):
    message = read(from_=written, to=written)
    assert (message.network, message.from_, message.to) == (network, address, address)


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        *(("STOP", "STOP"), ("stop", "STOP"), (" Start ", "START"), ("HELP", "HELP")),
        *(("", None), ("NONE", None), ("STOPPED", None), (None, None)),
    ],
)
def test_the_providers_verdict_is_read_in_any_case(written, read_as):
    assert read(OptOutType=written).opt_out_type == read_as


@pytest.mark.parametrize(
    ("written", "count"),
    [("0", 0), ("10", 10), ("", 0), ("-1", 0), ("x", 0), ("1e3", 0), ("9" * 5000, 0), ("²", 0)],
)
def test_a_count_of_media_that_is_none_counts_none(written, count):
    assert read(NumMedia=written).media_count == count


def test_nothing_is_kept_that_a_database_could_not_store():
    message = read("a\x00b\ud83dc\U0001f6d1", MessagingServiceSid="M\x00G", **{"N\x00": ""})
    assert message.body == "a\ufffdb\ufffdc\U0001f6d1"
    assert message.sender_pool == "M\ufffdG"
    assert "N\ufffd" in message.parameter_names


def test_what_is_kept_has_a_bound():
    message = read("é" * 100_000, From="1" * 100_000, **{f"P{n}" * 99: "" for n in range(999)})
    assert len(message.body) == BODY_CHARS_MAX
    assert len(message.from_) == 256
    assert len(message.parameter_names) == 64
    assert max(map(len, message.parameter_names)) == 64


def test_a_body_is_kept_as_it_was_written():
    assert read(" Stop,\r\nplease ").body == " Stop,\r\nplease "


def test_neither_the_address_nor_the_words_show():
    shown = repr(read("my words", ProfileName="Ann"))
    assert PERSON not in shown
    assert "my words" not in shown
    assert "ProfileName" not in shown


def test_the_evidence_has_the_words_and_not_the_person():
    evidence = read("Stop", ProfileName="Ann", FromCity="SPRINGFIELD").evidence()
    assert evidence["body"] == "Stop"
    assert evidence["to"] == NUMBER
    assert "ProfileName" in evidence["parameter_names"]
    for personal in (PERSON, "Ann", "SPRINGFIELD"):
        assert personal not in str(evidence)


@pytest.mark.parametrize(
    ("provider", "body", "asked"),
    [
        (None, "stop", "stop"),
        (None, "START", "start"),
        (None, "help", "help"),
        (None, "pls stop txting me", "stop"),
        (None, "wrong number", "ask"),
        (None, "hello", "none"),
        (None, "", "none"),
        (None, "Yes", "none"),
        ("STOP", "baja", "stop"),  # a brand's own word, S-12
        ("STOP", "", "stop"),
        ("STOP", "start", "stop"),
        ("START", "alta", "start"),
        ("HELP", "socorro", "help"),
        ("HELP", "start", "help"),
        ("START", "help", "start"),
        ("HELP", "cancel", "stop"),  # a per-se word stays one, S-13
        ("START", "end", "stop"),
        ("START", "YES", "none"),  # S-14
        ("START", "stop texting me", "stop"),  # any reasonable words revoke, S-13
        ("HELP", "wrong number", "help"),
        ("STOP", "YES", "stop"),
        ("later", "stop", "stop"),
    ],
)
def test_the_intent_is_the_providers_verdict_and_our_reading(provider, body, asked):
    assert intent(read(body, OptOutType=provider)).intent == asked


def test_a_form_is_parsed_with_blank_repeated_and_odd_parameters():
    body = b"Body=&From=%2B12025550123&To=a+b&To=c&x&=y&bad=%FF\xff&%C3%A9=1"
    assert list(parse_form(body).items()) == [
        *(("Body", ""), ("From", "+12025550123"), ("To", "a b"), ("To", "c"), ("x", "")),
        *(("", "y"), ("bad", "\ufffd\ufffd"), ("é", "1")),
    ]


def test_a_form_of_too_many_parameters_reads_as_none():
    assert len(parse_form(b"&".join([b"a=1"] * PARAMETERS_MAX))) == PARAMETERS_MAX
    assert not parse_form(b"&".join([b"a=1"] * (PARAMETERS_MAX + 1)))
    assert not parse_form(b"&" * 65536)


@given(st.binary())
def test_any_body_is_parsed(body):
    parse_form(body)


ANY_TEXT = st.text(st.characters(codec=None), max_size=40)
NAMES = st.sampled_from(sorted(sms(OptOutType="", MessagingServiceSid=""))) | ANY_TEXT


@given(st.lists(st.tuples(NAMES, ANY_TEXT), max_size=30))
def test_any_form_is_read_or_refused(pairs):
    form = MultiDict([*pairs, ("MessageSid", "SM1"), ("To", NUMBER)])
    try:
        message = read_message(form)
    except UnreadableMessage:
        return
    str(message.evidence()).encode()  # no lone surrogate is left
    assert "\x00" not in message.from_ + message.body
    assert intent(message).intent in {"stop", "start", "help", "ask", "none"}
