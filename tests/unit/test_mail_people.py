import tomllib
from pathlib import Path

import pytest

from prefsvc.mail import read
from tests.unit.mail.letters import ANN, letter

PEOPLE = tomllib.loads((Path(__file__).parent / "mail" / "people.toml").read_text("utf-8"))
MAILBOX = "unsubscribe@mail.acme.example.com"


@pytest.mark.parametrize(("subject", "words"), PEOPLE["opt_out"])
def test_a_request_is_understood_in_the_persons_own_words(subject, words):
    found = read(letter(words, subject))
    assert (found.outcome, found.address) == ("opt_out", ANN)


@pytest.mark.parametrize(("subject", "words"), PEOPLE["mailbox"])
def test_what_programs_and_people_send_to_a_mailbox_for_opt_outs_is_one(subject, words):
    assert read(letter(words, subject, to=MAILBOX)).outcome == "opt_out"


@pytest.mark.parametrize(("subject", "words"), PEOPLE["nothing"])
def test_an_ordinary_letter_opts_nobody_out(subject, words):
    assert read(letter(words, subject)).outcome in {"ignored", "ask"}


@pytest.mark.parametrize("subject", ["Kündigung", "Cancel", "Résiliation", "Baja"])
def test_a_subject_that_ends_a_contract_is_looked_at_where_the_letter_names_one(subject):
    letters = ["Hiermit beende ich den Vertrag 4711.", "Please cancel my order 77.", "mon contrat"]
    assert {read(letter(words, subject)).outcome for words in letters} == {"ask"}


@pytest.mark.parametrize("words", ["", "Mit freundlichen Grüßen\nAnn", "Thanks", "ann@example.org"])
@pytest.mark.parametrize("subject", ["Kündigung", "Cancel", "STOP", "Remove", "Abmelden", "Baja"])
def test_a_subject_is_a_request_whatever_courtesy_stands_below_it(subject, words):
    assert read(letter(words, subject)).outcome == "opt_out"


def test_a_subject_that_can_mean_nothing_else_is_a_request_over_any_letter():
    assert read(letter("Hiermit beende ich den Vertrag 4711.", "Abmelden")).outcome == "opt_out"
    assert read(letter("bitte den Newsletter abbestellen", "Kündigung")).outcome == "opt_out"
