"""What a script does with the text it made: print it, write it, or say how a file differs."""

import argparse
import difflib
import os
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def deliver(arguments: list[str], file: Path, make: Callable[[str], str]) -> int:
    """Make the text from the DSN given; return the exit status."""
    name = os.path.relpath(file, ROOT)
    parser = argparse.ArgumentParser(description=f"Make {name}.")
    parser.add_argument("dsn", help="a migrated database")
    parser.add_argument("--write", action="store_true", help="write the file")
    parser.add_argument("--check", action="store_true", help="say how the file differs, if it does")
    options = parser.parse_args(arguments)
    fresh = make(options.dsn)
    if options.check:
        return _compare(file, name, fresh)
    if options.write:
        file.write_text(fresh, encoding="utf-8")
    else:
        sys.stdout.write(fresh)
    return 0


def _compare(file: Path, name: str, fresh: str) -> int:
    stale = file.read_text(encoding="utf-8") if file.exists() else ""
    lines = difflib.unified_diff(
        stale.splitlines(keepends=True), fresh.splitlines(keepends=True), name, "fresh"
    )
    sys.stdout.writelines(lines)
    return 1 if stale != fresh else 0
