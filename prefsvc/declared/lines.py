"""Finding the line of a TOML text on which a key stands; tomllib tells lines only of broken syntax.

A statement is complete as soon as it parses by itself, so the text is cut into statements without a
second parser, and each is asked for its keys.
"""

import tomllib
from collections.abc import Iterator

from prefsvc.declared.table import Path

_CLOSING = ("]", '"""', "'''")  # a statement of several lines ends on a line with one of these


class Lines:
    """Where the keys of a valid TOML text stand."""

    def __init__(self, text: str) -> None:
        self._found: dict[Path, int] = {}
        self._array_lengths: dict[Path, int] = {}
        here: Path = ()
        for number, statement, parsed in _statements(text):
            if statement.lstrip().startswith("["):
                here = self._header(parsed)
                self._found[here] = number
            else:
                self._note(here, parsed, number)

    def of(self, path: Path) -> int | None:
        """Return the line of a key, or of the nearest table around it."""
        while path:
            if path in self._found:
                return self._found[path]
            path = path[:-1]
        return None

    def _header(self, parsed: dict[str, object]) -> Path:
        """Return the path of `[a.b]` or `[[a.b]]`, with its place in every list of tables."""
        path: Path = ()
        value: object = parsed
        while isinstance(value, dict) and value:
            key, value = next(iter(value.items()))
            path = (*path, key)
            if isinstance(value, list):
                self._array_lengths[path] = self._array_lengths.get(path, 0) + 1
                value = None
            if path in self._array_lengths:
                path = (*path, self._array_lengths[path] - 1)
        return path

    def _note(self, path: Path, value: object, number: int) -> None:
        if path:
            self._found.setdefault(path, number)
        if isinstance(value, dict):
            for key, one in value.items():
                self._note((*path, key), one, number)


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, object]]]:
    """Cut a valid TOML text into statements, each with the line it begins on."""
    statement, begun = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        is_first, begun = not statement, begun if statement else number
        statement += f"{line}\n"
        if not is_first and not any(mark in line for mark in _CLOSING):
            continue
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        yield begun, statement, parsed
        statement = ""
