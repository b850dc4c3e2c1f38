"""`prefsvc mail lint` and `prefsvc mail selftest`: is one click as it should be."""

import asyncio
import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefsvc import list_headers
from prefsvc.cli.context import Commands
from prefsvc.errors import MessageUnreadable
from prefsvc.one_click import Finding
from prefsvc.outward.knocking import knock_at
from prefsvc.settings import Settings

_BYTES_MAX = 50 << 20


@dataclass(frozen=True, slots=True)
class _Said:
    """One line of what was found."""

    about: str
    text: str
    is_well: bool

    def line(self, *, as_json: bool) -> str:
        if as_json:
            return json.dumps({"about": self.about, "ok": self.is_well, "finding": self.text})
        return f"{'ok   ' if self.is_well else 'WRONG'}  {self.about}: {self.text}"


def add_to(commands: Commands) -> None:
    """Add the two commands to those of `prefsvc mail`."""
    lint = commands.add_parser("lint", help="say what would keep one click from being offered")
    lint.add_argument("file", nargs="+", help="a raw message, as it left the last program; - reads")
    selftest = commands.add_parser(
        "selftest", help="knock at an unsubscribe link as mail programs and scanners do"
    )
    selftest.add_argument("url", help="an unsubscribe link; whom it names IS UNSUBSCRIBED by this")
    selftest.add_argument(
        "--look", action="store_true", help="only as those who do not ask for it"
    )
    for parser, run in ((lint, _lint), (selftest, _selftest)):
        parser.add_argument("--json", action="store_true", help="one line of JSON for each finding")
        parser.set_defaults(run=run)


def _lint(_: Settings, given: Namespace) -> int:
    said = [one for name in given.file for one in _linted(name)]
    return _print(said, as_json=given.json)


def _linted(name: str) -> list[_Said]:
    findings = list_headers.lint(_read(name))
    return [_Said(name, text, is_well=False) for text in findings] or [
        _Said(name, "one click can be offered", is_well=True)
    ]


def _read(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(_BYTES_MAX)
        with Path(name).open("rb") as file:
            return file.read(_BYTES_MAX)
    except OSError as error:
        raise MessageUnreadable(f"{name} cannot be read ({error.strerror}).") from error


def _selftest(_: Settings, given: Namespace) -> int:
    said = [_Said(given.url, "mail providers call nothing but https", is_well=False)]
    if given.url.startswith("https://"):
        said = []
    said += [_of_finding(one) for one in asyncio.run(_knocked(given.url, asking=not given.look))]
    return _print(said, as_json=given.json)


async def _knocked(url: str, *, asking: bool) -> list[Finding]:
    return [finding async for finding in knock_at(url, asking=asking)]


def _of_finding(finding: Finding) -> _Said:
    who = f"{finding.knock.who} ({finding.knock.method})"
    return _Said(who, finding.text, finding.is_well)


def _print(said: Sequence[_Said], *, as_json: bool) -> int:
    for one in said:
        print(one.line(as_json=as_json))
    return 0 if all(one.is_well for one in said) else 1
