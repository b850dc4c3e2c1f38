"""One SQL statement as the lint sees it: its words, its tables, where its conditions are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prefsvc.db.sql_text import Token, closing

_CONDITIONS_BEGIN = {"where", "on", "having", "using"}
_CONDITIONS_END = {
    "do", "fetch", "for", "from", "group", "into", "join", "limit", "offset", "order", "returning",
    "select", "set", "union", "values", "window",
}  # fmt: skip
_NOT_AN_ALIAS = _CONDITIONS_BEGIN | _CONDITIONS_END | {
    "cross", "default", "full", "inner", "intersect", "except", "left", "natural", "right",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where Citus keeps a table: distributed by a column, reference on every node, or local."""

    kind: str
    column: str


Tables = Mapping[str, Place]
How = Literal["read", "insert", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is broken, and where."""

    place: str
    rule: str
    message: str

    @property
    def text(self) -> str:
        """Return the line that editors can follow."""
        return f"{self.place}: {self.rule}: {self.message}"


@dataclass(frozen=True, slots=True)
class Use:
    """A table as a statement uses it."""

    table: str
    alias: str
    how: How


@dataclass(frozen=True, slots=True)
class Statement:
    """The tokens of one statement, without space and comments."""

    file: str
    first_line: int
    tokens: Sequence[Token]

    @property
    def keys(self) -> list[str]:
        """Return the words to compare by."""
        return [token.key for token in self.tokens]

    def begins(self, *words: str) -> bool:
        """Whether it begins with these words."""
        return tuple(self.keys[: len(words)]) == words

    def find(self, *words: str) -> Iterator[int]:
        """Yield every place where these words stand in a row."""
        keys = self.keys
        width = len(words)
        return (i for i in range(len(keys)) if tuple(keys[i : i + width]) == words)

    def has(self, *words: str) -> bool:
        """Whether these words stand in a row anywhere."""
        return any(True for _ in self.find(*words))

    def key(self, i: int) -> str:
        """Return the word at a place; outside the statement there is none."""
        return self.tokens[i].key if 0 <= i < len(self.tokens) else ""

    def name(self, i: int) -> tuple[str, str, int]:
        """Read `schema.name` or `name`; return both, and the place after it."""
        if self.key(i + 1) == ".":
            return self.key(i), self.key(i + 2), i + 3
        return "", self.key(i), i + 1

    def items(self, i: int) -> list[int]:
        """Return where each item begins in the list in parentheses at `i`."""
        begins: list[int] = []
        depth = 0
        for place in range(i, self.after_list(i)):
            depth += {"(": 1, ")": -1}.get(self.key(place), 0)
            if depth == 1 and self.key(place) in ("(", ","):
                begins.append(place + 1)
        return begins

    def list_at(self, i: int) -> list[str]:
        """Return the first word of each item of the list in parentheses at `i`."""
        return [self.key(begin) for begin in self.items(i)]

    def after_list(self, i: int) -> int:
        """Return the place after the list in parentheses that begins at `i`."""
        end = closing(self.tokens, i)
        return len(self.tokens) if end is None else end + 1

    def finding(self, i: int, rule: str, message: str) -> Finding:
        """Say that a rule is broken at a place."""
        return Finding(f"{self.file}:{self.first_line + self.tokens[i].line - 1}", rule, message)


def uses(statement: Statement, tables: Tables) -> list[Use]:
    """Return the known tables that a statement uses, with their aliases."""
    found: list[Use] = []
    for i, key in enumerate(statement.keys):
        how = _how(statement, i, key)
        if how is None:
            continue
        _, table, after = statement.name(i + 1)
        if table in tables:
            found.append(Use(table, _alias(statement, after) or table, how))
    return found


def _how(statement: Statement, i: int, key: str) -> How | None:
    before = statement.key(i - 1)
    if key == "into":
        return "insert"
    if key == "update" and before not in ("do", "for", "key"):
        return "update"
    if key in ("join", "using") or (key == "from" and before != "distinct"):
        return "delete" if before == "delete" else "read"
    return None


def _alias(statement: Statement, i: int) -> str:
    if statement.key(i) == "as":
        return statement.key(i + 1)
    is_word = i < len(statement.tokens) and statement.tokens[i].kind == "word"
    return statement.key(i) if is_word and statement.key(i) not in _NOT_AN_ALIAS else ""


def conditions(statement: Statement) -> set[int]:
    """Return the places that are inside `where`, `on`, `using` or `having`."""
    inside: set[int] = set()
    outer: list[bool] = []
    is_condition = False
    for i, key in enumerate(statement.keys):
        if key == "(":
            outer.append(is_condition)
        elif key == ")" and outer:
            is_condition = outer.pop()
        elif key in _CONDITIONS_BEGIN:
            is_condition = statement.key(i + 1) != "conflict"
        elif key in _CONDITIONS_END:
            is_condition = False
        if is_condition:
            inside.add(i)
    return inside


def assignments(statement: Statement) -> Iterator[int]:
    """Yield the place of each column that a `set` assigns."""
    for start in statement.find("set"):
        depth, is_target = 0, True
        for i in range(start + 1, len(statement.tokens)):
            key = statement.key(i)
            if depth == 0 and key in ("where", "from", "returning", ")"):
                break
            if is_target and key not in ("(", ",", ")", "="):
                yield i
            depth += {"(": 1, ")": -1}.get(key, 0)
            if depth == 0 and key in ("=", ","):
                is_target = key == ","
