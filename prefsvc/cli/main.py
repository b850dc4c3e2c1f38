"""Which commands there are."""

import argparse
from collections.abc import Sequence

from prefsvc.cli import (
    alarms,
    brands,
    cases,
    doctor,
    endpoints,
    imports,
    intent,
    keys,
    ledger,
    links,
    mail,
    restored,
    reviews,
    secrets,
    senders,
    serve,
    spool,
    twilio,
    windows,
)
from prefsvc.cli.running import run

COMMANDS = (
    serve,
    doctor,
    brands,
    senders,
    alarms,
    cases,
    reviews,
    twilio,
    keys,
    endpoints,
    links,
    imports,
    intent,
    mail,
    windows,
    ledger,
    spool,
    secrets,
    restored,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what it says, 1 if it refused or found something, 2 if misused."""
    return run(parser().parse_args(arguments))


def parser() -> argparse.ArgumentParser:
    """Build the parser; every command module adds its own."""
    top = argparse.ArgumentParser(
        prog="prefsvc",
        description="The register of opt-outs that a company's senders cannot overlook.",
        epilog="Settings are PREFSVC_* environment variables; docs/operating.md lists them.",
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add_to(commands)
    return top
