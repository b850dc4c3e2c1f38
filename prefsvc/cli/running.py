"""Running a command: its settings, and how its refusals reach the terminal."""

import os
import sys
from argparse import Namespace

from pydantic import ValidationError

from prefsvc import logs
from prefsvc.errors import Refusal
from prefsvc.settings import Settings


def run(given: Namespace) -> int:
    """Run it; 0 if it did what it says, 1 if it refused or found something, 2 if misused."""
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


def _say_settings(error: ValidationError) -> None:
    # A wrong value is named, not shown: it may be a secret.
    for one in error.errors(include_input=False, include_url=False):
        # What is wrong between several says itself which.
        name = "_".join(str(part) for part in one["loc"]).upper()
        said = f"PREFSVC_{name}: {one['msg']}" if name else one["msg"].removeprefix("Value error, ")
        print(f"prefsvc: {said}", file=sys.stderr)
