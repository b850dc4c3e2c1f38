"""Which commands there are, and how their refusals reach the terminal."""

import argparse
import os
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from prefsvc import logs
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
from prefsvc.errors import Refusal
from prefsvc.settings import Settings

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
    given = parser().parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        _say_settings(error)
        return 2
    logs.configure(settings.log_level)
    try:
        code: int = given.run(settings, given)
        sys.stdout.flush()
    except Refusal as refusal:
        print(f"prefsvc: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


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


def _say_settings(error: ValidationError) -> None:
    # A wrong value is named, not shown: it may be a secret.
    for one in error.errors(include_input=False, include_url=False):
        name = "_".join(str(part) for part in one["loc"]).upper()
        print(f"prefsvc: PREFSVC_{name}: {one['msg']}", file=sys.stderr)
