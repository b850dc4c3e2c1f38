"""`prefsvc intent`: what a text message asks for, decided here and now, without a database."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from prefsvc.intent import decide

if TYPE_CHECKING:  # the rest of the command line takes a second to start; this one starts at once
    from prefsvc.cli.context import Commands
    from prefsvc.settings import Settings

_HELP = "say what text messages ask for"


def main(arguments: Sequence[str]) -> int:
    """Run the command by itself; 2 if it was misused."""
    parser = argparse.ArgumentParser(prog="prefsvc intent", description=_HELP)
    _add_arguments(parser)
    return _print(parser.parse_args(arguments).text)


def add_to(commands: "Commands") -> None:
    """Add the command."""
    parser = commands.add_parser("intent", help=_HELP)
    _add_arguments(parser)
    parser.set_defaults(run=_run)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "text", nargs="*", help='each a message; none: lines of {"text": …} on standard input'
    )


def _run(_settings: "Settings", given: argparse.Namespace) -> int:
    return _print(given.text)


def _print(texts: Sequence[str]) -> int:
    """Print one line of JSON for each text, as soon as it is read."""
    try:
        for text in texts or _lines(sys.stdin.buffer):
            print(json.dumps(_decision(text)), flush=not texts)
    except ValueError as error:
        print(f"prefsvc: {error}", file=sys.stderr)
        return 2
    return 0


def _decision(text: str) -> dict[str, Any]:
    decision = asdict(decide(text))
    return {name: decision[name] for name in ("intent", "scope", "rule", "language")}


def _lines(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _text(line, number)


def _text(line: bytes, number: int) -> str:
    try:
        match json.loads(line):
            case {"text": str(text)}:
                return text
    except ValueError:
        pass
    raise ValueError(f'line {number} is no {{"text": "…"}}')
