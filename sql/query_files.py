"""Reading sql/queries: named queries, their sentences, parameters and batches.

    -- name: record_opt_out :maybe
    -- Store the opt-out unless this address had already opted out.
    insert into opt_out (bucket, topic) values (:bucket, :topic?) ... returning deadline

`:name` is a parameter, `:name?` one that may be null. Beside a kind for each shape of answer, a
query may take any number of rows: `values :each(bucket::smallint, evidence::jsonb?)`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from prefsvc.db.batch import Batch
from prefsvc.db.sql_text import Token, closing, code, tokens

KINDS = ("one", "maybe", "many", "all", "value", "values", "count", "execute")
BATCH_KINDS = ("many", "all", "values", "count", "execute")
_HEADER = re.compile(r"^--\s*name:.*$", re.MULTILINE)
_WELL_FORMED = re.compile(r"-- name: ([a-z][a-z0-9_]*) :([a-z]+)")
_TAKEN = {"conn", "rows", "row", "made", "chunk", "values", "done"}  # names of the generated code


class QueryError(Exception):
    """A query that cannot become a function, and where it stands."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the rows that a batch takes."""

    name: str
    type: str
    maybe: bool


@dataclass(frozen=True, slots=True)
class Query:
    """One named query; `params` says of each parameter whether it may be null.

    `text` is what PostgreSQL reads, for a batch with one row; `source` is what was written.
    """

    name: str
    kind: str
    doc: str
    source: str
    text: str
    params: dict[str, bool]
    columns: tuple[Column, ...]
    batch: Batch | None
    file: str
    line: int

    @property
    def place(self) -> str:
        """Return where it begins, as editors and people read it."""
        return f"{self.file}:{self.line}"


def read_folder(folder: Path) -> list[Query]:
    """Read all queries of a folder; no two may share a name."""
    queries = [
        query
        for file in sorted(folder.glob("*.sql"))
        for query in parse(file.read_text(encoding="utf-8"), file=f"sql/queries/{file.name}")
    ]
    for one, other in pairwise(sorted(queries, key=lambda query: query.name)):
        if one.name == other.name:
            raise QueryError(f"{other.place}: {other.name} is already at {one.place}")
    return queries


def parse(text: str, *, file: str = "") -> list[Query]:
    """Split a file at its `-- name:` lines."""
    starts = [match.start() for match in _HEADER.finditer(text)]
    if code(tokens(text[: starts[0]] if starts else text)):
        raise QueryError(f"{file}:1: SQL before the first `-- name:` line")
    return [
        _query(text[begin:end], file, text.count("\n", 0, begin) + 1)
        for begin, end in pairwise([*starts, len(text)])
    ]


def _query(block: str, file: str, line: int) -> Query:
    header, _, source = block.partition("\n")
    try:
        return _built(header.strip(), source.rstrip(), file, line)
    except ValueError as error:
        raise QueryError(f"{file}:{line}: {header.strip()}: {error}") from error


def _built(header: str, source: str, file: str, line: int) -> Query:
    match = _WELL_FORMED.fullmatch(header)
    if match is None or match[2] not in KINDS:
        raise ValueError(f"not `-- name: some_name :kind` with a kind of {', '.join(KINDS)}")
    name, kind = match.groups()
    doc = _doc(source)
    params, columns, parts = _numbered(_without_comments(source))
    batch = None
    if columns:
        batch = Batch(parts[0], parts[1], len(params), tuple(one.type for one in columns))
    _check(kind, doc, params, is_batch=batch is not None)
    text = batch.text(1) if batch else parts[0]
    return Query(name, kind, doc, source, text, params, columns, batch, file, line)


def _check(kind: str, doc: str, params: dict[str, bool], *, is_batch: bool) -> None:
    if not doc.endswith("."):
        raise ValueError("say in a comment line, with a full stop, what it does")
    if taken := _TAKEN & params.keys():
        raise ValueError(f"the generated code needs the name {taken.pop()} for itself")
    if is_batch and kind not in BATCH_KINDS:
        raise ValueError(f"a batch is one of {', '.join(BATCH_KINDS)}")
    if kind == "all" and not is_batch:
        raise ValueError("`all` answers each row of a batch; this takes no rows")


def _doc(source: str) -> str:
    lines: list[str] = []
    for line in source.splitlines():
        if not line.startswith("--"):
            break
        if not line.startswith("-- lint:"):
            lines.append(line.removeprefix("--").strip())
    return " ".join(lines)


def _without_comments(source: str) -> list[Token]:
    # A comment's line goes with it, and the semicolon: a prepared statement needs neither.
    bare = "".join(piece.text for piece in tokens(source) if piece.kind != "comment")
    lines = [line.rstrip() for line in bare.splitlines() if line.strip()]
    return list(tokens("\n".join(lines).rstrip("; \n")))


def _numbered(pieces: list[Token]) -> tuple[dict[str, bool], tuple[Column, ...], list[str]]:
    """Find the parameters and the batch; return the text around it with `$1` for `:name`."""
    plain, columns = _cut_each(pieces)
    params: dict[str, bool] = {}
    for piece in (piece for part in plain for piece in part if piece.kind == "param"):
        name = piece.text.strip(":?")
        params[name] = params.get(name, False) or piece.text.endswith("?")
    number = {name: f"${i}" for i, name in enumerate(params, start=1)}
    parts = [
        "".join(number[p.text.strip(":?")] if p.kind == "param" else p.text for p in part)
        for part in plain
    ]
    return params, columns, parts


def _cut_each(pieces: list[Token]) -> tuple[list[list[Token]], tuple[Column, ...]]:
    places = [i for i, piece in enumerate(pieces) if piece.text == ":each"]
    if not places:
        return [pieces], ()
    if len(places) > 1:
        raise ValueError("one `:each(...)` a query")
    end = closing(pieces, places[0] + 1)
    if end is None:
        raise ValueError("`:each` needs its columns: `:each(name::type, other::type?)`")
    columns = tuple(_columns(pieces[places[0] + 2 : end]))
    return [pieces[: places[0]], pieces[end + 1 :]], columns


def _columns(pieces: list[Token]) -> Iterator[Column]:
    text = "".join(piece.text for piece in pieces)
    for part in re.split(r",(?![^()]*\))", text):  # not the comma of numeric(10, 2)
        match = re.fullmatch(r"\s*([a-z_]\w*)\s*::\s*(.+?)(\?)?\s*", part, re.DOTALL)
        if match is None:
            raise ValueError(f"not `name::type` or `name::type?`: {part.strip()!r}")
        yield Column(match[1], match[2], bool(match[3]))
