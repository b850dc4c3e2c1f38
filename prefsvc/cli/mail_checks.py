"""`prefsvc mail lint` and `prefsvc mail selftest`: is one click as it should be."""

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prefsvc import list_headers

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from prefsvc.one_click import Finding

_OCTETS_MAX = 50 << 20


@dataclass(frozen=True, slots=True)
class _Said:
    """One line of what was found."""

    about: str
    text: str
    is_well: bool

    def line(self, *, as_json: bool) -> str:
        """Write it for a person, or for a program."""
        if as_json:
            return json.dumps({"about": self.about, "ok": self.is_well, "finding": self.text})
        return f"{'ok   ' if self.is_well else 'WRONG'}  {self.about}: {self.text}"


def add_to(actions: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the two to the actions of `prefsvc mail`."""
    lint = actions.add_parser("lint", help="say what would keep one click from being offered")
    lint.add_argument("file", nargs="+", help="a raw message as it left the last program; - reads")
    selftest = actions.add_parser(
        "selftest", help="knock at an unsubscribe link as mail programs and scanners do"
    )
    selftest.add_argument("url", help="an unsubscribe link; whom it names is unsubscribed by this")
    selftest.add_argument("--look", action="store_true", help="only as those who do not ask for it")
    for parser, act in ((lint, _lint), (selftest, _selftest)):
        parser.add_argument("--json", action="store_true", help="one line of JSON for each finding")
        parser.set_defaults(act=act)


def _lint(given: Namespace) -> int:
    return _print((one for name in given.file for one in _linted(name)), as_json=given.json)


def _linted(name: str) -> list[_Said]:
    try:
        findings = list_headers.lint(_octets(name))
    except OSError as error:
        findings = [f"It cannot be read ({error.strerror})."]
    said = [_Said(name, text, is_well=False) for text in findings]
    return said or [_Said(name, "One click can be offered.", is_well=True)]


def _octets(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(_OCTETS_MAX)
    with Path(name).open("rb") as file:
        return file.read(_OCTETS_MAX)


def _selftest(given: Namespace) -> int:
    said = [_of_finding(one) for one in asyncio.run(_knocked(given.url, asking=not given.look))]
    if not given.url.startswith("https://"):
        said.append(_Said("the link", "Mail providers call nothing but https.", is_well=False))
    return _print(said, as_json=given.json)


async def _knocked(url: str, *, asking: bool) -> "list[Finding]":
    from prefsvc.outward.knocking import knock_at  # noqa: PLC0415 - the others start at once

    return [finding async for finding in knock_at(url, asking=asking)]


def _of_finding(finding: "Finding") -> _Said:
    who = f"{finding.knock.who} ({finding.knock.method})"
    return _Said(who, finding.text, finding.is_well)


def _print(said: Iterable[_Said], *, as_json: bool) -> int:
    code = 0
    for one in said:
        print(one.line(as_json=as_json), flush=True)
        code = code if one.is_well else 1
    return code
