import tomllib
from pathlib import Path

import pytest

from prefsvc.mail import read
from tests.unit.mail.letters import ANN, letter

REPLIES = tomllib.loads((Path(__file__).parent / "mail" / "replies.toml").read_text("utf-8"))
NEWS = """Hello Ann,
Please unsubscribe me from this list.
remove me from your mailing list
STOP

Unsubscribe: https://stop.example.com/u/x"""
NEWS_IN_HTML = """<table><tr><td><p>Hello Ann,</p><p>Please unsubscribe me from this list.</p>
<p>remove me from your mailing list</p><p>STOP</p></td></tr></table>"""
EACH = [(kind, name) for kind, replies in REPLIES.items() for name in replies]


def behind(mark):
    return "\n".join(mark + line for line in NEWS.split("\n"))


def reply(kind, name, own):
    """What this program sends for a person who writes these words."""
    body = REPLIES[kind][name].lstrip("\n")
    fillings = {
        "<own>": own,
        "<news>": NEWS,
        "<quoted>": behind("> "),
        "<barred>": behind("| "),
        "<html>": NEWS_IN_HTML,
    }
    for place, filling in fillings.items():
        body = body.replace(place, filling)
    return letter(body, "Re: News", kind="text/plain" if kind == "text" else "text/html")


@pytest.mark.parametrize("own", ["Great, thanks!", ""])
@pytest.mark.parametrize(("kind", "name"), EACH)
def test_what_is_answered_is_never_the_persons(kind, name, own):
    assert read(reply(kind, name, own)).outcome == "ignored"


@pytest.mark.parametrize("own", ["Please unsubscribe me.", "STOP", "Abmelden"])
@pytest.mark.parametrize(("kind", "name"), EACH)
def test_what_the_person_writes_is_found(kind, name, own):
    found = read(reply(kind, name, own))
    assert (found.outcome, found.address) == ("opt_out", ANN)
