"""Reading declared tables: values of the right kind are handed out, everything wrong is noted.

Reading goes on after a problem, so that all of them are found at once. What stands in for a wrong
value is never used: a file with problems is refused whole.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
Path = tuple[str | int, ...]
Translations = tuple[tuple[str, str], ...]
"""Languages with their texts, in the order of the languages' tags."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and at which key."""

    path: Path
    text: str

    @property
    def key(self) -> str:
        """Return the key as jq would write it: `topics[0].slug`."""
        return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in self.path).lstrip(".")


class Table:
    """One table being read. Ask for every key that may stand in it, then `close` it."""

    def __init__(
        self, values: Mapping[str, object], problems: list[Problem], path: Path = ()
    ) -> None:
        self._values = values
        self._problems = problems
        self._path = path
        self._asked: set[str] = set()

    def problem(self, text: str, *keys: str | int) -> None:
        """Note what is wrong with the value at these keys, or with the whole table."""
        self._problems.append(Problem((*self._path, *keys), text))

    def __contains__(self, key: str) -> bool:
        """Say whether the key is there at all."""
        return key in self._values

    def is_sound(self, key: str) -> bool:
        """Say whether nothing wrong was found at the key, so that more may be concluded from it."""
        path = (*self._path, key)
        return not any(problem.path[: len(path)] == path for problem in self._problems)

    def lacks(self, key: str) -> bool:
        """Say whether the key is not there, or only an empty list."""
        return self._values.get(key, []) == []

    def optional(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """Return a text read by `parse`, whose ValueError says what is wrong with it."""
        self._asked.add(key)
        if key not in self._values:
            return default
        read = self._parsed(self._values[key], parse, key)
        return default if read is None else read

    def required(self, key: str, parse: Callable[[str], T], instead: T) -> T:
        """Return a text that must be there."""
        if key not in self._values:
            self.problem(f"{key} is missing")
        return self.optional(key, parse, instead)

    def several(self, key: str, parse: Callable[[str], T], *, most: int) -> tuple[T, ...]:
        """Return a list of texts, none of them twice."""
        self._asked.add(key)
        value = self._values.get(key, [])
        if not isinstance(value, list):
            self.problem(f'must be a list, as in ["..."], not {_kind(value)}', key)
            return ()
        if len(value) > most:
            self.problem(f"has {len(value)} entries; the most is {most}", key)
        found: list[T] = []
        for number, one in enumerate(value[:most]):
            read = self._parsed(one, parse, key, number)
            if read is not None and read in found:
                self.problem(f'"{one}" is there twice', key, number)
            elif read is not None:
                found.append(read)
        return tuple(found)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        self._asked.add(key)
        value = self._values.get(key, default)
        if isinstance(value, bool):
            return value
        self.problem(f"must be true or false, not {_kind(value)}", key)
        return default

    def table(self, key: str) -> "Table":
        """Return a table within; an empty one if it is not there."""
        self._asked.add(key)
        return self._within(self._values.get(key, {}), key)

    def named_tables(self, key: str) -> dict[str, "Table"]:
        """Return the tables within a table, whatever their names."""
        return self.table(key).tables()

    def tables(self) -> dict[str, "Table"]:
        """Return every value as a table, whatever their names; those are the caller's to judge."""
        self._asked.update(self._values)
        return {name: self._within(value, name) for name, value in self._values.items()}

    def listed_tables(self, key: str, *, most: int) -> list["Table"]:
        """Return the tables of a list, as `[[key]]` writes them."""
        self._asked.add(key)
        value = self._values.get(key, [])
        if not isinstance(value, list):
            self.problem(f"must be tables, each under [[{key}]], not {_kind(value)}", key)
            return []
        if len(value) > most:
            self.problem(f"has {len(value)} entries; the most is {most}", key)
        return [self._within(one, key, number) for number, one in enumerate(value[:most])]

    def translations(
        self, key: str, parse: Callable[[str], str], languages: Iterable[str]
    ) -> Translations:
        """Return texts by language, each in one of these languages."""
        table = self.table(key)
        found = {one: table.optional(one, parse, "") for one in languages}
        table.close("not a language in which a text can stand here")
        return tuple(sorted((one, text) for one, text in found.items() if text))

    def texts(
        self, parse: Callable[[str], T], *, most: int, key_length_max: int
    ) -> tuple[tuple[str, T], ...]:
        """Return every value as a text, under keys that the file makes up, in the order of keys."""
        self._asked.update(self._values)
        if len(self._values) > most:
            self.problem(f"has {len(self._values)} entries; the most is {most}")
        found: list[tuple[str, T]] = []
        for key in sorted(self._values)[:most]:
            if not 0 < len(key) <= key_length_max:
                self.problem(f"its key must have 1 to {key_length_max} characters", key)
            elif (read := self._parsed(self._values[key], parse, key)) is not None:
                found.append((key, read))
        return tuple(found)

    def close(self, complaint: str = "no such key") -> None:
        """Note every key that nobody asked for."""
        for key in self._values:
            if key not in self._asked:
                self.problem(f"{complaint}; {allowed(key, self._asked)}", key)

    def _within(self, value: object, *keys: str | int) -> "Table":
        if not isinstance(value, dict):
            self.problem(f"must be a table, not {_kind(value)}", *keys)
            return Table({}, [])  # what it lacks is not a further problem
        return Table(value, self._problems, (*self._path, *keys))

    def _parsed(self, value: object, parse: Callable[[str], T], *keys: str | int) -> T | None:
        if not isinstance(value, str):
            self.problem(f"must be text in quotes, not {_kind(value)}", *keys)
            return None
        try:
            return parse(value)
        except ValueError as e:
            self.problem(str(e), *keys)
            return None


def allowed(given: str, known: Iterable[str]) -> str:
    """Say which words are allowed and, where one is near, which was probably meant."""
    words = sorted(known)
    near = difflib.get_close_matches(given, words, n=1)
    meant = f'did you mean "{near[0]}"? ' if near else ""
    return f"{meant}allowed: {', '.join(words) or 'none'}"


def filled(document: Mapping[str, object]) -> dict[str, object]:
    """Return a document without its empty values: what is not said is not written."""
    return {key: value for key, value in document.items() if value not in ("", [], {}, None)}


def _kind(value: object) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text"}
    kinds |= {list: "a list", dict: "a table"}
    return kinds.get(type(value), "a date or time")
