import re

import pytest

from prefsvc import errors
from prefsvc.web.problems import STATUS

# What only the command line says: at start, or to an operator. None may reach an HTTP caller.
COMMAND_LINE_ONLY = {
    errors.ImportBrokenOff,
    errors.AddressInUse,
    errors.BrandRefusal,
    errors.CheckpointsUnreadable,
    errors.DatabaseAhead,
    errors.DatabaseUnreachable,
    errors.InvalidSenderName,
    errors.MigrationEdited,
    errors.MigrationsIncomplete,
    errors.NoRuleAbout,
    errors.OtherDatabase,
    errors.OtherSecrets,
    errors.RulesRefusal,
    errors.SchemaForbidden,
    errors.SecretMissing,
    errors.SecretUnreadable,
    errors.SenderExists,
    errors.UnknownApiKey,
    errors.UnknownChannel,
    errors.UnreadableMoment,
    errors.UnsupportedServer,
}

# What only a line of a report is refused with, inside an answer.
LINE_ONLY = {errors.SentInTheFuture}


def kinds(of=errors.Refusal):
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


# The engine is the command line's, whatever it refuses.
ENGINE = {errors.EngineRefusal, *kinds(errors.EngineRefusal)}
EVERY = sorted(set(kinds()), key=lambda kind: kind.__name__)


def test_every_refusal_has_a_status_or_is_the_command_lines():
    assert set(STATUS) | COMMAND_LINE_ONLY | LINE_ONLY | ENGINE == set(EVERY)


def test_no_refusal_is_both():
    assert not set(STATUS) & (COMMAND_LINE_ONLY | LINE_ONLY | ENGINE)


def test_statuses_blame_the_caller_or_ask_for_patience():
    assert {status for status in STATUS.values() if not 400 <= status < 500} == {503}


def test_codes_are_unique_words():
    codes = [kind.code for kind in EVERY]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_its_sentence_is_whole_and_names_nobody(kind):
    sentence = " ".join(kind.__doc__.split())
    assert sentence.endswith(".")
    assert sentence[0].isupper() or sentence.startswith("prefsvc ")
    assert not re.search(r"\S@\S|\+?[0-9]{7,}|/u/", sentence)


@pytest.mark.parametrize("kind", STATUS, ids=lambda kind: kind.__name__)
def test_it_says_its_sentence_unless_told_another(kind):
    assert str(kind()) == " ".join(kind.__doc__.split())
    assert str(kind("Another.")) == "Another."
