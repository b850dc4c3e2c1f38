import tomllib
from pathlib import Path

import pytest

from prefsvc.mail import read
from tests.unit.mail.letters import ANN, failure, letter

MAIL = Path(__file__).parent / "mail"
REFUSALS = tomllib.loads((MAIL / "refusals.toml").read_text("utf-8"))
NOTICES = tomllib.loads((MAIL / "notices.toml").read_text("utf-8"))

SAID_BY_POSTFIX = """This is the mail system at host mx.example.net.

Your message could not be delivered to one or more recipients.

<{address}>: host mx.example.org[192.0.2.9] said: {refusal}
"""
OURS = f"""Received: from mx.example.net by smtp.example.net; Mon, 2 Mar 2026 09:00:00 +0000
From: Acme <news@mail.acme.example.com>
To: {ANN}
Subject: News

To unsubscribe, click here: https://stop.example.com/u/x
"""


def of(tables, *kinds):
    """The entries of these kinds, each with its name as the test's."""
    entries = [entry for kind in kinds for entry in tables[kind].items()]
    return pytest.mark.parametrize(
        "entry", [value for _, value in entries], ids=[name for name, _ in entries]
    )


def told_in_a_report(status, refusal):
    """One refusal as Exchange reports it, and as Postfix does."""
    refusal = refusal.replace("{}", ANN)
    bare = refusal.partition(" (in reply to")[0]
    words = SAID_BY_POSTFIX.format(address=ANN, refusal=refusal)
    return failure(refusal, status), failure(bare, status, text=words)


def noticed(sender, subject, words):
    """One notice with the null reverse path, and without any."""
    words = words.replace("<ours>", OURS).replace("{}", ANN)
    for path in ({"Return_Path": "<>"}, {}):
        yield letter(words, subject, sender=sender, **path)


def outcomes(raws):
    return {(found.outcome, found.address) for found in map(read, raws)}


@of(REFUSALS, "nobody")
def test_a_refusal_that_says_that_nobody_is_there_is_understood(entry):
    assert outcomes(told_in_a_report(*entry)) == {("undeliverable", ANN)}


@of(REFUSALS, "something_else")
def test_a_refusal_for_another_reason_is_not_taken_for_a_dead_address(entry):
    assert outcomes(told_in_a_report(*entry)) == {("ignored", None)}


@of(NOTICES, "nobody")
def test_a_notice_without_a_standard_report_says_that_nobody_is_there(entry):
    assert outcomes(noticed(**entry)) == {("undeliverable", ANN)}


@of(NOTICES, "something_else", "unsure")
def test_a_notice_of_something_else_is_not_taken_for_a_dead_address(entry):
    assert outcomes(noticed(**entry)) == {("ignored", None)}
