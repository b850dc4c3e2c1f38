import json
import subprocess
import sys

import pytest

from prefsvc.mail import OCTETS_MAX
from tests.unit.mail.letters import ANN, BOB, failure, letter


@pytest.fixture
def run():
    def run(*words, given=b""):
        command = [sys.executable, "-m", "prefsvc", "mail", "read", *map(str, words)]
        return subprocess.run(command, input=given, capture_output=True, check=False)

    return run


def lines(ran):
    assert ran.stderr == b""
    return [json.loads(line) for line in ran.stdout.splitlines()]


def line(file, outcome, why, address=None, scope=None):
    return {"file": str(file), "outcome": outcome, "why": why, "address": address, "scope": scope}


def test_each_file_gets_a_line_in_its_order(run, tmp_path):
    one, two = tmp_path / "one.eml", tmp_path / "two.eml"
    one.write_bytes(letter("", "Remove From Mailing List"))
    two.write_bytes(letter("Thanks!", "Re: Sale"))
    ran = run(one, two, "-", given=failure("550 5.1.1 user unknown", "5.1.1", address=BOB))
    assert ran.returncode == 0
    assert lines(ran) == [
        line(one, "opt_out", "removal_subject", ANN, "channel"),
        line(two, "ignored", "nothing_asked"),
        line("-", "undeliverable", "nobody_there", BOB),
    ]


def test_further_addresses_are_told(run):
    ran = run("-", given=letter(f"please unsubscribe {BOB}"))
    assert lines(ran)[0]["others"] == [BOB]


def test_mailboxes_and_the_envelope_can_be_given(run):
    raw = letter(to="stop@example.com")
    assert lines(run("-", given=raw))[0]["outcome"] == "ignored"
    assert lines(run("-", "--mailbox", "Stop@Example.com", given=raw))[0]["outcome"] == "opt_out"
    token = f"u+{'a' * 31}@stop.example.com"
    assert lines(run("-", "--recipient", token, given=raw))[0]["why"] == "token_address"


def test_what_cannot_be_read_is_a_line_and_no_traceback(run, tmp_path):
    long = tmp_path / "long.eml"
    with long.open("wb") as file:
        file.truncate(OCTETS_MAX * 2)
    missing = tmp_path / "missing.eml"
    ran = run(long, missing, tmp_path, "-", given=b"\xff\0\xed\xa0\x80")
    assert ran.returncode == 1
    assert [(one["outcome"], one["why"]) for one in lines(ran)] == [
        ("ignored", "too_large"),
        ("ignored", "unreadable_file"),
        ("ignored", "unreadable_file"),
        ("ignored", "nothing_asked"),
    ]


def test_no_setting_is_needed(run, monkeypatch):
    monkeypatch.setenv("PREFSVC_LOG_LEVEL", "no such level")
    assert lines(run("-", given=letter("stop")))[0]["outcome"] == "opt_out"


def test_a_misuse_is_said(run):
    ran = run()
    assert (ran.returncode, b"the following arguments are required" in ran.stderr) == (2, True)


def test_the_command_stands_among_the_others(prefsvc, tmp_path):
    file = tmp_path / "one.eml"
    file.write_bytes(letter("stop"))
    ran = prefsvc("mail", "read", str(file))
    assert (ran.code, json.loads(ran.out)["outcome"]) == (0, "opt_out")
