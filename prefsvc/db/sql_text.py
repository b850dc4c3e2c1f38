"""Reading SQL text: tokens, statements, the first words of a file.

Enough of PostgreSQL's lexer to tell code from comments, strings, dollar quotes and casts: for the
generator, for the lint, and for migrations that run one statement at a time.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["space", "comment", "string", "name", "number", "word", "param", "punct"]

_KINDS: tuple[Kind, ...] = get_args(Kind)
_LEXER = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>--[^\n]*|/\*)
  | (?P<dollar>\$(?P<tag>[A-Za-z_\x80-\uffff][\w]*)?\$)
  | (?P<string>(?:[eE]'(?:[^'\\]|\\.|'')*'|(?:[bBnNxX]|[uU]&)?'(?:[^']|'')*'))
  | (?P<name>(?:[uU]&)?"(?:[^"]|"")*")
  | (?P<number>(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|\$\d+)
  | (?P<word>[A-Za-z_\x80-\uffff][\w$]*)
  | (?P<param>(?<![:\w\])]):[A-Za-z_]\w*\??)
  | (?P<punct>::|:=|<>|!=|<=|>=|=>|\|\||.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of SQL as written, the line it begins on and its offset in the text."""

    kind: Kind
    text: str
    line: int
    start: int

    @property
    def is_code(self) -> bool:
        """Whether PostgreSQL would read it at all."""
        return self.kind not in ("space", "comment")

    @property
    def key(self) -> str:
        """Return the text to compare by: words in lower case, quoted names without quotes."""
        if self.kind == "word":
            return self.text.lower()
        return self.text.strip('"') if self.kind == "name" else self.text


def tokens(text: str) -> Iterator[Token]:
    """Cut the text into tokens; joined again they are the text, byte for byte."""
    start, line = 0, 1
    while start < len(text):
        kind, end = _next(text, start)
        piece = text[start:end]
        yield Token(kind, piece, line, start)
        start, line = end, line + piece.count("\n")


def _next(text: str, start: int) -> tuple[Kind, int]:
    match = _LEXER.match(text, start)
    if match is None:  # the last alternative takes any character
        raise AssertionError(f"no token at offset {start}")
    if match["dollar"]:
        return "string", _after(text, match[0], match.end())
    if match[0] == "/*":
        return "comment", _block_comment(text, match.end())
    for kind in _KINDS:
        if match[kind] is not None:
            return kind, match.end()
    raise AssertionError(f"the token at offset {start} has no kind")


def _after(text: str, mark: str, start: int) -> int:
    end = text.find(mark, start)
    return len(text) if end < 0 else end + len(mark)


def _block_comment(text: str, start: int) -> int:
    # PostgreSQL's block comments nest.
    depth = 1
    for mark in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)


def code(pieces: Iterable[Token]) -> list[Token]:
    """Keep what PostgreSQL reads: no space, no comments."""
    return [piece for piece in pieces if piece.is_code]


def closing(pieces: Sequence[Token], start: int) -> int | None:
    """Return where the parenthesis that opens at `start` closes, if one does."""
    depth = 0
    for i in range(start, len(pieces)):
        depth += {"(": 1, ")": -1}.get(pieces[i].text, 0)
        if depth == 0:
            return i if i > start else None
    return None


def cut(pieces: Iterable[Token]) -> Iterator[list[Token]]:
    """Cut a script at its semicolons, into the code of each statement; bodies stay whole."""
    statement: list[Token] = []
    depth = 0
    for piece in code(pieces):
        depth = max(0, depth + _step(piece.key, statement[-1].key if statement else ""))
        if piece.text == ";" and depth == 0:
            if statement:
                yield statement
            statement = []
        else:
            statement.append(piece)
    if statement:
        yield statement


def statements(text: str) -> list[str]:
    """Cut a script into the text of each statement, comments inside it included."""
    return [
        text[statement[0].start : statement[-1].start + len(statement[-1].text)]
        for statement in cut(tokens(text))
    ]


def _step(word: str, before: str) -> int:
    # `begin atomic ... end` (a function's body in standard SQL) holds semicolons, and so may
    # parentheses; a `case ... end` inside the body opens and closes as well.
    if word == "case" or (before, word) == ("begin", "atomic"):
        return 1
    return {"(": 1, ")": -1, "end": -1}.get(word, 0)
