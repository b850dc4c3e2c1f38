"""One mail read in the ways in which mails are read, and what must hold of each reading."""

from prefsvc.mail import read
from prefsvc.token import Keyring

RECIPIENTS = ("unsubscribe@mail.acme.example.com", "u+abcdefghijklmnopqrstuvwxyz23456@x.example")
KEYRING = Keyring.for_brands([bytes(32)], ["acme"])
OUTCOMES = {"opt_out", "complaint", "undeliverable", "ask", "ignored"}


def attempt(raw):
    """Read a mail as a command does and as a door does; raise what is wrong."""
    held(read(raw))
    held(read(raw, recipients=RECIPIENTS, keyring=KEYRING, reverse_path=""))


def held(found):
    """Hold a reading to what is promised of each; return it."""
    assert found.outcome in OUTCOMES
    for text in (found.address or "", found.scope or "", *found.others, *found.tokens):
        text.encode()  # no lone surrogate gets this far
        assert "\0" not in text
    return found
