"""Write a typed function for each query in sql/queries, asking PostgreSQL for the types.

usage: python sql/generate.py DSN            print prefsvc/db/queries.py
       python sql/generate.py DSN --write    write it
       python sql/generate.py DSN --check    say how it differs, if it does

The DSN is that of a migrated database. Every query is prepared there, so that a broken one is
found here. Columns and parameters are taken as never null unless they are written `as "topic?"`
and `:topic?`: PostgreSQL does not say.
"""

import asyncio
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from outcome import ROOT, deliver
from query_files import Query, QueryError, read_folder

from prefsvc.db.connection import PlainConnection, single

QUERIES = ROOT / "sql" / "queries"
MODULE = ROOT / "prefsvc" / "db" / "queries.py"

PYTHON = {
    "bool": "bool",
    "bytea": "bytes",
    "date": "date",
    "float8": "float",
    "int2": "int",
    "int4": "int",
    "int8": "int",
    "interval": "timedelta",
    "jsonb": "Json",
    "text": "str",
    "timestamptz": "datetime",
    "uuid": "UUID",
    "varchar": "str",
}
ARRAYS = ("bytea", "int2", "int4", "int8", "text", "timestamptz", "uuid")
IMPORTS = (
    ("", "collections.abc", ["Sequence"]),
    ("", "datetime", ["date", "datetime", "timedelta"]),
    ("", "uuid", ["UUID"]),
    ("\n", "msgspec", ["Struct"]),
    ("", "msgspec.structs", ["astuple"]),
    ("\n", "prefsvc.db.batch", ["Batch"]),
    ("", "prefsvc.db.connection", ["Connection", "Json", "affected", "every", "only"]),
)


@dataclass(frozen=True, slots=True)
class Typed:
    """A query with the Python types of what goes in and what comes out."""

    query: Query
    params: dict[str, str]
    fields: dict[str, str]
    """What a row of a batch holds."""
    columns: dict[str, str]
    """What a row of the answer holds."""

    @property
    def constant(self) -> str:
        """Return the name of the statement's constant."""
        return f"_{self.query.name.upper()}"

    def class_name(self, suffix: str) -> str:
        """Return the name of the row's class: `Row` for what comes out, `In` for what goes in."""
        return "".join(word.capitalize() for word in self.query.name.split("_")) + suffix


async def typed(conn: PlainConnection, query: Query) -> Typed:
    """Prepare the query and translate its types."""
    try:
        statement = await conn.prepare(query.text)
        columns = _columns(query, statement.get_attributes())
        return _typed(query, [_python(pg) for pg in statement.get_parameters()], columns)
    except (asyncpg.PostgresError, ValueError) as error:
        raise QueryError(f"{query.place}: {query.name}: {error}") from error


def _columns(query: Query, attributes: tuple[asyncpg.Attribute, ...]) -> dict[str, str]:
    columns = {
        _column_name(column.name): _optional(_python(column.type), column.name.endswith("?"))
        for column in attributes
    }
    if len(columns) < len(attributes):
        raise ValueError("two columns have the same name")
    if not columns and query.kind not in ("count", "execute"):
        raise ValueError(f"{query.kind} needs columns to return")
    return columns


def _typed(query: Query, types: list[str], columns: dict[str, str]) -> Typed:
    # The parameters outside the rows come first, as in Batch.
    may_be_null = [*query.params.values(), *(one.maybe for one in query.columns)]
    inputs = [_optional(name, maybe) for name, maybe in zip(types, may_be_null, strict=True)]
    fixed = len(query.params)
    return Typed(
        query,
        params=dict(zip(query.params, inputs[:fixed], strict=True)),
        fields=dict(zip([one.name for one in query.columns], inputs[fixed:], strict=True)),
        columns=columns,
    )


def _python(pg: asyncpg.Type) -> str:
    element = pg.name.removesuffix("[]").removeprefix("_")
    if pg.schema == "pg_catalog":
        if element != pg.name and element in ARRAYS:
            return f"list[{PYTHON[element]}]"
        if pg.name in PYTHON:
            return PYTHON[pg.name]
    raise ValueError(f"no Python type is chosen for {pg.schema}.{pg.name}; add it or cast it")


def _optional(name: str, maybe: bool) -> str:  # noqa: FBT001 - a pair, not a switch
    return f"{name} | None" if maybe else name


def _column_name(name: str) -> str:
    if not (bare := name.removesuffix("?")).isidentifier():
        raise ValueError(f"give the column {name} a name with `as`")
    return bare


def render(one: Typed) -> str:
    """Write the query's constant, its classes and its function."""
    parts = [_constant(one)]
    if one.fields:
        parts.append(_row_class(one.class_name("In"), f"A row for {one.query.name}.", one.fields))
    if one.query.kind in ("one", "maybe", "many", "all"):
        parts.append(_row_class(one.class_name("Row"), f"A row of {one.query.name}.", one.columns))
    returns, body = _batch_body(one) if one.query.batch else _plain_body(one)
    named = [f"{name}: {python}" for name, python in one.params.items()]
    given = [f"rows: Sequence[{one.class_name('In')}]"] if one.fields else []
    signature = ", ".join(["conn: Connection", *given, *(["*", *named] if named else [])])
    lines = [_docstring(one.query.doc), *body]
    parts.append(
        f"async def {one.query.name}({signature}) -> {returns}:\n    " + "\n    ".join(lines)
    )
    return "\n\n\n".join(parts)


def _constant(one: Typed) -> str:
    if (batch := one.query.batch) is None:
        return f"{one.constant} = {_literal(one.query.text)}"
    arguments = [_literal(batch.before), _literal(batch.after), batch.fixed, batch.types]
    return f"{one.constant} = Batch({', '.join(map(str, arguments))})"


def _literal(text: str) -> str:
    if "\n" not in text or text.endswith('"'):
        return repr(text)
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""\\\n{escaped}"""'


def _row_class(name: str, doc: str, fields: dict[str, str]) -> str:
    lines = "\n".join(f"    {field}: {python}" for field, python in fields.items())
    # A Struct, for there is one for every row that goes in or comes out: a frozen dataclass takes
    # ten times as long to make.
    return f'class {name}(Struct, frozen=True, gc=False):\n    """{doc}"""\n\n{lines}'


def _docstring(doc: str) -> str:
    first, _, rest = doc.partition(". ")
    text = f"{first}.\n\n    {rest}\n    " if rest else doc
    return f'"""{text}"""'


def _plain_body(one: Typed) -> tuple[str, list[str]]:
    call = ", ".join([one.constant, *one.params])
    row, first = one.class_name("Row"), next(iter(one.columns.values()), "")
    if one.query.kind == "value":
        if first.endswith("| None"):  # null and no row are then the same answer
            return first, [f"value: {first} = await conn.fetchval({call})", "return value"]
        return first, [f"value: {first} = only(await conn.fetchrow({call}))[0]", "return value"]
    return {
        "one": (row, [f"return {row}(*only(await conn.fetchrow({call})))"]),
        "maybe": (
            f"{row} | None",
            [f"row = await conn.fetchrow({call})", f"return {row}(*row) if row else None"],
        ),
        "many": (f"list[{row}]", [f"return [{row}(*row) for row in await conn.fetch({call})]"]),
        "values": (f"list[{first}]", [f"return [row[0] for row in await conn.fetch({call})]"]),
        "count": ("int", [f"return affected(await conn.execute({call}))"]),
        "execute": ("None", [f"await conn.execute({call})"]),
    }[one.query.kind]


def _batch_body(one: Typed) -> tuple[str, list[str]]:
    call = ", ".join([f"{one.constant}.text(len(chunk))", *one.params, "*values"])
    row, first = one.class_name("Row"), next(iter(one.columns.values()), "")
    loop = [
        f"for chunk in {one.constant}.cut(rows):",
        "    values = [value for row in chunk for value in astuple(row)]",
    ]
    if one.query.kind == "execute":
        return "None", [*loop, f"    await conn.execute({call})"]
    if one.query.kind == "count":
        step = f"    done += affected(await conn.execute({call}))"
        return "int", ["done = 0", *loop, step, "return done"]
    element, made = (first, "row[0]") if one.query.kind == "values" else (row, f"{row}(*row)")
    answer = "every(made, len(rows))" if one.query.kind == "all" else "made"
    step = f"    made += [{made} for row in await conn.fetch({call})]"
    return f"list[{element}]", [f"made: list[{element}] = []", *loop, step, f"return {answer}"]


async def module(dsn: str, folder: Path = QUERIES) -> str:
    """Write the whole module, as `ruff format` leaves it."""
    async with single(dsn) as conn:
        body = "\n\n\n".join([render(await typed(conn, query)) for query in read_folder(folder)])
    imports = [
        f"{gap}from {source} import {', '.join(used)}"
        for gap, source, names in IMPORTS
        if (used := [name for name in names if re.search(rf"\b{name}\b", body)])
    ]
    title = '"""Generated by sql/generate.py from sql/queries; do not edit."""'
    return _formatted("\n\n".join([title, "\n".join(imports), body]))


def _formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(MODULE), "-"]
    done = subprocess.run(  # noqa: S603 - our own linter
        command, cwd=ROOT, input=text, capture_output=True, text=True, check=True
    )
    return done.stdout


def main(arguments: list[str]) -> int:
    """Print, write or check the module."""
    try:
        return deliver(arguments, MODULE, lambda dsn: asyncio.run(module(dsn)))
    except QueryError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
