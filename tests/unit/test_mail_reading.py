import pytest

from prefsvc.links import Link, seal
from prefsvc.mail import OCTETS_MAX, read
from prefsvc.token import Keyring
from tests.unit.mail.letters import ANN, BOB, NEWS, failure, letter, multipart, report

RING = Keyring.for_brands([bytes(range(32))], ["acme"])
SHORT = RING.short_token("acme", 7)
SEALED = seal(RING.key("acme"), Link("email", "Ann@Example.org", topic="news"))
HOST = "stop.example.com"
DAEMON = "MAILER-DAEMON@mx.example.net"
TOKEN_ADDRESSES = [f"u+{SHORT}@{HOST}", f"U+{SHORT.upper()}@STOP.EXAMPLE.COM", f"u+{SEALED}@{HOST}"]


def outcome(raw, **known):
    found = read(raw, **known)
    return found.outcome, found.why


@pytest.mark.parametrize("to", TOKEN_ADDRESSES)
def test_a_mail_to_a_token_is_an_opt_out_without_a_word(to):
    found = read(letter(to=to))
    assert (found.outcome, found.why, found.address) == ("opt_out", "token_address", None)
    assert found.tokens == (to[2:].partition("@")[0],)


@pytest.mark.parametrize("to", TOKEN_ADDRESSES)
@pytest.mark.parametrize(
    "fields",
    [
        {"Auto_Submitted": "auto-generated"},
        {"Auto_Submitted": "auto-replied; owner-email=x"},
        {"Precedence": "bulk"},
        {"List_Id": "<x.example.net>"},
    ],
)
def test_a_mail_to_a_token_counts_even_if_it_is_marked_automatic(to, fields):
    assert outcome(letter("Thank you for your mail", to=to, **fields))[1] == "token_address"


@pytest.mark.parametrize("field", ["Cc", "Delivered_To", "X_Original_To", "Resent_To"])
def test_a_token_counts_wherever_a_recipient_is_named(field):
    raw = letter(to=NEWS, **{field: f'"Stop, please" <u+{SHORT}@{HOST}>'})
    assert outcome(raw) == ("opt_out", "token_address")


def test_a_token_counts_in_the_envelope_alone():
    raw = letter(to="undisclosed-recipients:;")
    assert outcome(raw, recipients=[f"u+{SHORT}@{HOST}"]) == ("opt_out", "token_address")


@pytest.mark.parametrize(
    "raw",
    [
        letter("gone", to=TOKEN_ADDRESSES[0], Return_Path="<>"),
        failure("451 4.4.1 try later", "4.4.1", to=f"u+{SHORT}"),
        failure("550 5.1.1 no such user", "5.1.1", to=f"u+{SHORT}", address=BOB),
        letter(f"User unknown: {BOB}", "failure notice", to=TOKEN_ADDRESSES[0], sender=DAEMON),
    ],
)
def test_a_report_to_a_token_is_no_opt_out(raw):
    assert read(raw).outcome != "opt_out"


def test_with_the_keys_a_sealed_token_says_of_whom_and_of_what():
    found = read(letter(to=f"u+{SEALED}@{HOST}", sender=BOB), keyring=RING)
    assert (found.address, found.scope) == (ANN, "news")


def test_with_the_keys_a_short_token_is_handed_on():
    found = read(letter(to=f"u+{SHORT}@{HOST}"), keyring=RING)
    assert (found.outcome, found.address, found.tokens) == ("opt_out", None, (SHORT,))


def test_a_damaged_token_is_as_good_as_a_mailbox_for_opt_outs():
    damaged = f"u+{SHORT[:-2]}aa@{HOST}"
    found = read(letter(to=damaged), keyring=RING)
    assert (found.outcome, found.address) == ("opt_out", ANN)
    assert outcome(letter("hello", to=damaged), keyring=RING)[0] == "ask"


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("Remove From Mailing List", ""),
        ("unsubscribe", ""),
        ("", "unsubscribe"),
        ("Re: Half price", "please take my address off"),
    ],
)
def test_a_request_counts_whatever_it_is_addressed_to(subject, body):
    found = read(letter(body, subject, to="info@example.com"))
    assert (found.outcome, found.address, found.scope) == ("opt_out", ANN, "channel")


def test_the_subject_of_the_answered_message_is_not_the_persons():
    assert outcome(letter("See you", "Re: Unsubscribe")) == ("ignored", "nothing_asked")
    assert outcome(letter("See you", "AW: Abmelden"))[0] == "ignored"
    assert outcome(letter("See you", "Unsubscribe"))[0] == "opt_out"


def test_an_answer_to_a_removal_subject_without_words_is_asked_about():
    assert outcome(letter("", "Re: unsubscribe")) == ("ask", "answered_removal_subject")
    assert outcome(letter("", "Re: Half price"))[0] == "ignored"


@pytest.mark.parametrize("to", ["unsubscribe@example.com", "Abmelden@example.de", "x@example.com"])
def test_an_empty_mail_to_a_mailbox_for_opt_outs_is_one(to):
    known = {"mailboxes": {"x@example.com"}}
    assert outcome(letter(to=to), **known) == ("opt_out", "empty_to_unsubscribe_mailbox")
    assert outcome(letter("Hello", "Hi", to=to), **known)[0] == "ask"
    assert outcome(letter("Hello", "unsubscribe", to=to), **known)[0] == "opt_out"


@pytest.mark.parametrize("to", ["x@example.com", "unsubscriber.relations@example.com"])
def test_other_mailboxes_get_ordinary_mail(to):
    assert outcome(letter(to=to)) == ("ignored", "nothing_asked")


def test_the_wider_scope_of_subject_and_body_counts():
    assert read(letter("STOP ALL", "unsubscribe")).scope == "everything"
    assert read(letter("", "unsubscribe")).scope == "channel"


def test_a_request_from_nobody_is_for_a_person():
    assert outcome(letter("unsubscribe", sender="")) == ("ask", "nobody_named")


def test_the_sender_stands_in_from_and_not_in_its_name_or_in_reply_to():
    raw = letter("stop", sender=f'"{BOB}" <{ANN}>', Reply_To=BOB)
    assert read(raw).address == ANN
    encoded = f"=?utf-8?q?{BOB.replace('@', '=40')}?= <{ANN}>"
    assert read(letter("stop", sender=encoded)).address == ANN


def test_an_address_that_the_words_name_is_told_beside_the_senders():
    found = read(letter(f"please unsubscribe {BOB}", "Old address"))
    assert (found.outcome, found.address, found.others) == ("opt_out", ANN, (BOB,))
    signed = read(letter(f"please unsubscribe\n\nWrite to {BOB} instead"))
    assert signed.others == ()


def test_a_click_in_apple_mail_is_an_opt_out_though_it_says_it_is_automatic():
    raw = letter(
        "Apple Mail sent this email to unsubscribe.",
        "unsubscribe",
        Auto_Submitted="auto-replied",
        X_Apple_Unsubscribe="true",
    )
    assert outcome(raw) == ("opt_out", "unsubscribe_click")


def test_a_generated_command_to_a_mailbox_is_a_click_and_an_answer_is_not():
    fields = {"to": "unsubscribe@example.com", "Auto_Submitted": "auto-generated"}
    assert outcome(letter("", "unsubscribe", **fields))[1] == "unsubscribe_click"
    answered = letter("", "unsubscribe", In_Reply_To="<1@example.com>", **fields)
    assert outcome(answered) == ("ignored", "auto_submitted")
    assert outcome(letter("", "Out of office", **fields)) == ("ignored", "auto_submitted")


def test_a_lists_mail_to_a_mailbox_is_asked_about_unless_it_is_the_mailboxs_own_list():
    fields = {"to": "unsubscribe@example.com", "Precedence": "list"}
    foreign = letter("", "unsubscribe", List_Id="<club.example.net>", **fields)
    own = letter("", "unsubscribe", List_Id="<unsubscribe.example.com>", **fields)
    known = {"mailboxes": {"unsubscribe@example.com"}}
    assert outcome(foreign, **known) == ("ask", "list_mail")
    assert outcome(own, **known)[0] == "opt_out"


def test_what_is_encrypted_is_asked_about():
    raw = multipart(
        "Content-Type: application/pgp-encrypted\n\nx",
        kind="encrypted",
        head="From: a@example.org\n",
    )
    assert outcome(raw) == ("ask", "encrypted")


def test_a_message_that_is_too_long_is_said_to_be():
    assert outcome(b"\n" * (OCTETS_MAX + 1)) == ("ignored", "too_large")


def test_neither_an_address_nor_a_token_is_in_a_repr():
    readings = [
        read(letter(f"unsubscribe {BOB}", to=f"u+{SEALED}@{HOST}"), keyring=RING),
        read(letter(f"unsubscribe {BOB}")),
        read(failure("550 5.1.1 no such user", "5.1.1", address=ANN)),
        read(report("Feedback-Type: abuse\nOriginal-Rcpt-To: " + ANN, kind="feedback-report")),
    ]
    assert [one.outcome for one in readings] == ["opt_out", "opt_out", "undeliverable", "complaint"]
    shown = " ".join(map(repr, readings))
    assert "@" not in shown
    assert SEALED not in shown
