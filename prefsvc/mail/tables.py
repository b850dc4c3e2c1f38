"""What is known of languages and of other programs, in words/*.toml."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(name: str) -> dict[str, Any]:
    """Return a table by its file's name; it is read once."""
    return tomllib.loads((files("prefsvc.mail") / "words" / f"{name}.toml").read_text("utf-8"))
