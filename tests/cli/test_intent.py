import json
import subprocess
import sys

import pytest

NONE = {"intent": "none", "scope": None, "rule": "nothing_asked", "language": None}


@pytest.fixture
def run():
    def run(*words, given=""):
        command = [sys.executable, "-m", "prefsvc", "intent", *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False)

    return run


def decisions(ran):
    assert (ran.returncode, ran.stderr) == (0, "")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_texts_given_as_arguments_are_decided_in_their_order(run):
    assert decisions(run("STOP ALL", "see you at 6", "arrêtez svp")) == [
        {"intent": "stop", "scope": "everything", "rule": "carrier", "language": "en"},
        NONE,
        {"intent": "stop", "scope": "channel", "rule": "plain_word", "language": "fr"},
    ]


def test_texts_on_standard_input_are_decided_line_by_line(run):
    texts = ["unsubscribe", "wrong number", "lone \ud800 surrogate", "NUL \x00"]
    lines = [json.dumps({"text": text, "channel": "sms"}) for text in texts]
    found = decisions(run(given="\n".join([*lines, ""])))
    assert [one["intent"] for one in found] == ["stop", "ask", "none", "none"]


@pytest.mark.parametrize("line", ["stop", "[]", '{"text": 1}', '{"body": "stop"}', "{"])
def test_a_line_that_is_none_is_refused_by_its_number(run, line):
    ran = run(given=json.dumps({"text": "hi"}) + f"\n{line}\n")
    assert json.loads(ran.stdout) == NONE
    assert (ran.returncode, ran.stderr) == (2, 'prefsvc: line 2 is no {"text": "…"}\n')


def test_nothing_of_the_service_is_loaded():
    code = (
        "import sys; sys.argv = ['prefsvc', 'intent', 'stop']; from prefsvc.__main__ import main;"
        "main(); print(sorted({'aiohttp', 'asyncpg', 'pydantic', 'twilio'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_the_command_stands_among_the_others(prefsvc):
    ran = prefsvc("intent", "stop")
    assert (ran.code, json.loads(ran.out)["intent"]) == (0, "stop")
