import tomllib
from pathlib import Path

import pytest

from prefsvc.mail import read
from prefsvc.mail.automatic import is_answer, own_subject
from tests.unit.mail.letters import ANN, NEWS, letter, multipart

ANSWERS = tomllib.loads((Path(__file__).parent / "mail" / "automatic.toml").read_text("utf-8"))
QUOTED = "Please unsubscribe me\nunsubscribe\nTo unsubscribe, click here"
REQUEST = "please remove me from your mailing list"
FIELDS = [
    {"Auto_Submitted": "auto-replied"},
    {"Auto_Submitted": "auto-generated (vacation)"},
    {"Auto_Submitted": "(by a rule) auto-replied; owner-email=x@example.com"},
    {"Auto_Submitted": "x-anything"},
    {"X_Autoreply": "yes"},
    {"X_Autorespond": "Away"},
    {"X_Mail_Autoreply": "true"},
    {"Precedence": "auto_reply"},
    {"Precedence": "bulk"},
    {"Precedence": "Junk"},
    {"List_Id": "Club <club.example.net>"},
    {"List_Unsubscribe": "<https://example.net/u>"},
    {"Delivered_To": "Autoresponder"},
    {"sender": "noreply@example.net"},
    {"sender": "Do Not Reply <do-not-reply@example.net>"},
]
SUBJECTS = [
    "Automatic reply: Half price",
    "Out of Office: back on Monday",
    "Out of the office",
    "Auto-Reply: Half price",
    "Vacation: back on Monday",
    "Abwesenheitsnotiz: Halber Preis",
    "Automatische Antwort: Halber Preis",
    "Abwesenheit",
    "Réponse automatique : Moitié prix",
    "Absence du bureau",
    "Respuesta automática: Mitad de precio",
    "Resposta automática: Metade do preço",
    "Risposta automatica: Metà prezzo",
    "Fuori sede",
    "Automatisch antwoord: Halve prijs",
    "Autosvar: Halva priset",
    "Automaattinen vastaus: Puoli hintaa",
    "Odpowiedź automatyczna: Pół ceny",
    "Automatická odpověď: Půl ceny",
    "Автоответ: Полцены",
    "Автоматический ответ: Полцены",
    "Otomatik yanıt: Yarı fiyat",
    "自动回复: 半价",
    "自動返信",
    "부재중 자동 회신: 반값",
    "=?utf-8?q?R=C3=A9ponse_automatique_=3A_Moiti=C3=A9_prix?=",
    "[EXTERNAL] Automatic reply: Half price",
]


@pytest.mark.parametrize("fields", FIELDS)
def test_what_a_program_wrote_is_no_opt_out(fields):
    assert read(letter(REQUEST, "unsubscribe", **fields)).outcome == "ignored"


@pytest.mark.parametrize("value", ["no", "No", "no (a person)", "no; x=y", ""])
def test_what_is_said_not_to_be_automatic_is_not(value):
    assert read(letter(REQUEST, Auto_Submitted=value)).outcome == "opt_out"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_vacation_reply_is_no_opt_out(subject):
    assert read(letter(REQUEST, subject)).why == "automatic_subject"


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Automatic reply: what it costs",
        "AW: Urlaub in Spanien",
        "Vacation deals",
        "Urlaub in Spanien",
        "Auto: half price",
        "Absence makes the heart grow fonder",
    ],
)
def test_an_advertisements_subject_makes_nobody_a_program(subject):
    assert read(letter(REQUEST, subject)).outcome == "opt_out"


def test_our_own_mail_that_came_back_is_no_opt_out():
    raw = letter(REQUEST, sender="Acme <News@acme.example.com>")
    assert read(raw).outcome == "opt_out"
    assert read(raw, mailboxes={"news@acme.example.com"}).why == "own_loop"


def test_mail_from_the_null_reverse_path_is_no_opt_out():
    assert read(letter(REQUEST, Return_Path="<>")).outcome == "ignored"
    assert (
        read(letter(REQUEST, Return_Path="< >", Auto_Submitted="auto-replied")).outcome == "ignored"
    )
    assert read(letter(REQUEST, Return_Path=f"<{ANN}>")).outcome == "opt_out"


@pytest.mark.parametrize(
    ("subject", "own"),
    [
        ("Re: Fwd: AW: hello", "hello"),
        ("RE[2]: hello", "hello"),
        ("[EXTERNAL] Re: hello", "hello"),
        ("回复：hello", "hello"),
        ("SV: hello", "hello"),
        ("Regarding: hello", "Regarding: hello"),
        ("hello", "hello"),
    ],
)
def test_what_programs_put_before_a_subject_is_taken_away(subject, own):
    assert own_subject(subject) == own
    assert is_answer(subject) == (subject != own)


def test_a_receipt_is_no_opt_out():
    raw = multipart(
        f"\n{REQUEST}",
        "Content-Type: message/disposition-notification\n\nDisposition: x; displayed",
        kind="report; report-type=disposition-notification",
        head=f"From: {ANN}\nTo: u+{'a' * 31}@stop.example.com\nSubject: unsubscribe\n",
    )
    assert (read(raw).outcome, read(raw).why) == ("ignored", "report")


def test_a_postmaster_is_a_person_where_nothing_came_back():
    raw = letter(REQUEST, "Your newsletter", sender="Postmaster <postmaster@example.org>")
    assert (read(raw).outcome, read(raw).address) == ("opt_out", "postmaster@example.org")
    report = letter(f"{ANN}: mailbox full", "Your mail", sender="postmaster@example.org")
    assert read(report).why == "bounce_for_another_reason"


def answered(name, to):
    """What this program answers, with the answered mail copied into it without any mark."""
    answer = {"sender": f"Ann <{ANN}>", "fields": {}, **ANSWERS[name]}
    words = answer["words"].replace("<news>", QUOTED)
    return letter(words, answer["subject"], to=to, sender=answer["sender"], **answer["fields"])


@pytest.mark.parametrize("name", ANSWERS)
def test_no_automatic_answer_opts_out_whatever_it_quotes(name):
    assert read(answered(name, NEWS)).outcome == "ignored"
    assert read(answered(name, "unsubscribe@mail.acme.example.com")).outcome in {"ignored", "ask"}


def test_a_mail_that_a_rule_hands_on_is_still_the_persons():
    by_rule = {"X_MS_Exchange_Inbox_Rules_Loop": "desk@example.org"}
    assert read(letter("please unsubscribe me", "News", **by_rule)).outcome == "opt_out"


@pytest.mark.parametrize(
    "subject",
    ["The office is out of order: stop mails", "Who is out of the office? unsubscribe"],
)
def test_a_subject_that_only_speaks_of_absence_is_a_persons(subject):
    assert read(letter("please unsubscribe me", subject)).outcome == "opt_out"
