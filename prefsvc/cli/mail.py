"""`prefsvc mail`: what raw mails say, and whether one click works; no database is needed for it."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefsvc.cli import mail_checks
from prefsvc.mail import OCTETS_MAX, Reading, read
from prefsvc.mail.addresses import canonical

if TYPE_CHECKING:  # the rest of the command line takes a second to start; this one starts at once
    from prefsvc.cli.context import Commands
    from prefsvc.settings import Settings

ACTIONS = frozenset({"read", "lint", "selftest"})
"""Those that need neither settings nor a database."""

_HELP = "say what raw mails ask for or report, whether one click works, and which were forged"


def main(arguments: Sequence[str]) -> int:
    """Run the command by itself; 2 if it was misused."""
    parser = argparse.ArgumentParser(prog="prefsvc mail", description=_HELP)
    _add_actions(parser)
    given = parser.parse_args(arguments)
    return int(given.act(given))


def add_to(commands: "Commands") -> None:
    """Add the commands."""
    from prefsvc.cli import mail_forged  # noqa: PLC0415 - it needs the database

    parser = commands.add_parser("mail", help=_HELP)
    parser.set_defaults(run=_run)
    mail_forged.add_to(_add_actions(parser))


def _add_actions(
    parser: argparse.ArgumentParser,
) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    reading = actions.add_parser("read", help="print a line of JSON for each message")
    reading.add_argument("file", nargs="+", help="a raw message (RFC 5322); - is standard input")
    reading.add_argument(
        "--mailbox",
        action="append",
        default=[],
        help="an address to which people write to be removed; unsubscribe@ and the like are known",
    )
    reading.add_argument(
        "--recipient", action="append", default=[], help="an address from the SMTP envelope"
    )
    reading.set_defaults(act=_print)
    mail_checks.add_to(actions)
    return actions


def _run(_settings: "Settings", given: argparse.Namespace) -> int:
    return int(given.act(given))


def _print(given: argparse.Namespace) -> int:
    """Print each message's line as soon as it is read; 1 if one could not be."""
    code = 0
    for file in given.file:
        try:
            reading = _read(_octets(file), given)
        except OSError:
            reading = Reading("ignored", "unreadable_file")
            code = 1
        print(json.dumps(_line(file, reading)), flush=True)
    return code


def _read(raw: bytes, given: argparse.Namespace) -> Reading:
    mailboxes = {found for text in given.mailbox if (found := canonical(text))}
    return read(raw, recipients=given.recipient, mailboxes=mailboxes)


def _octets(file: str) -> bytes:
    """Read a file no further than shows that it is too long."""
    if file == "-":
        return sys.stdin.buffer.read(OCTETS_MAX + 1)
    with Path(file).open("rb") as opened:
        return opened.read(OCTETS_MAX + 1)


def _line(file: str, reading: Reading) -> dict[str, Any]:
    line = {
        "file": file,
        "outcome": reading.outcome,
        "why": reading.why,
        "address": reading.address,
        "scope": reading.scope,
    }
    return line | ({"others": list(reading.others)} if reading.others else {})
