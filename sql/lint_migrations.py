"""The rules of ENGINE.md 2.4 for sql/migrations: each a function that finds where it is broken.

Which table is distributed, and by which column, is read from the calls of
`prefsvc.distribute('table', 'kind', 'column', 'colocated_with')` that follow each `create table`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lint_queries import CLOCKS
from statement import Finding, Place, Statement, Tables

from prefsvc.db.sql_files import Migration
from prefsvc.db.sql_text import cut, tokens

SCHEMA = "prefsvc"
KINDS = ("distributed", "reference", "local")
_OBJECTS = {
    "domain", "function", "index", "procedure", "rule", "schema", "sequence", "table", "trigger",
    "type", "view",
}  # fmt: skip
_NOISE = {
    "concurrently", "exists", "if", "materialized", "not", "only", "or", "recursive", "replace",
    "temp", "temporary", "unique", "unlogged",
}  # fmt: skip
_FORBIDDEN = {
    "domain": ("rule 5", "text or smallint with a check; Citus cannot move a domain"),
    "rule": ("rule 6", "no rules: what happens is in the query"),
    "sequence": ("rule 4", "ids and positions come from the program, not from a sequence"),
    "trigger": ("rule 6", "no triggers: what happens is in the query"),
    "type": ("rule 5", "text or smallint with a check; enums cost each new connection on Citus"),
}
_SERIAL = ("bigserial", "serial", "serial2", "serial4", "serial8", "smallserial")
_REPEATABLE = {"analyze", "create", "drop", "reindex", "set", "vacuum"}


@dataclass(frozen=True, slots=True)
class Script:
    """One migration in statements, with what all migrations say of the tables."""

    is_transactional: bool
    statements: Sequence[Statement]
    tables: Tables


def statements(migration: Migration) -> list[Statement]:
    """Cut a migration into statements."""
    file = f"sql/migrations/{migration.name}"
    return [Statement(file, 1, statement) for statement in cut(tokens(migration.text))]


def read_tables(script: Sequence[Statement]) -> dict[str, Place]:
    """Read from the calls of distribute() what each table is on Citus."""
    found: dict[str, Place] = {}
    for one in script:
        for i in one.find("distribute", "("):
            if one.begins("select") and len(arguments := one.list_at(i + 1)) == 4:  # noqa: PLR2004
                table, kind, column, _ = (argument.strip("'") for argument in arguments)
                found[table] = Place(kind, column)
    return found


def subject(one: Statement) -> tuple[str, int]:
    """Return what kind of thing a `create`, `alter` or `drop` is about, and where its name is."""
    kind = ""
    if one.key(0) in ("create", "alter", "drop"):
        for i in range(1, len(one.tokens)):
            if one.key(i) in _OBJECTS and not kind:
                kind = one.key(i)
            elif one.key(i) not in _NOISE:
                return kind, i
    return kind, 0


def table_of(one: Statement) -> str:
    """Return the table that a statement creates, alters or indexes."""
    kind, i = subject(one)
    if kind == "index" and (on := next(one.find("on"), None)) is not None:
        return one.name(on + 2 if one.key(on + 1) == "only" else on + 1)[1]
    return one.name(i)[1] if kind == "table" else ""


def own_schema(script: Script) -> Iterator[Finding]:
    """Rule 1: everything is made in the schema prefsvc, and says so."""
    for one in script.statements:
        kind, i = subject(one)
        if kind == "index" and one.begins("create"):
            i = next(one.find("on"), 0) + 1
        if kind == "schema":
            yield one.finding(i, "rule 1", "the runner makes the schema; a migration leaves it")
        elif kind and one.name(i)[0] != SCHEMA and kind not in _FORBIDDEN:
            yield one.finding(i, "rule 1", f"write {SCHEMA}.{one.key(i)}: nothing is in public")


def placed_at_once(script: Script) -> Iterator[Finding]:
    """Rule 1: distribute() follows each create table, with a kind and a column that exist."""
    for one, after in pairwise([*script.statements, Statement("", 1, ())]):
        if not one.begins("create") or subject(one)[0] != "table":
            continue
        table = table_of(one)
        place = script.tables.get(table)
        if place is None or f"'{table}'" not in after.keys:
            message = f"`select {SCHEMA}.distribute('{table}', ...)` follows at once"
            yield one.finding(0, "rule 1", message)
        elif place.kind not in KINDS:
            yield after.finding(0, "rule 1", f"{place.kind!r} is none of {', '.join(KINDS)}")
        elif place.kind == "distributed" and place.column not in one.list_at(
            next(one.find("("), 0)
        ):
            yield after.finding(0, "rule 3", f"{table} has no column {place.column!r}")


def keys_begin_with_the_bucket(script: Script) -> Iterator[Finding]:
    """Rule 3: the distribution column leads every primary key, unique and exclusion constraint."""
    for one in script.statements:
        table = table_of(one)
        place = script.tables.get(table)
        if place is None or place.kind != "distributed":
            continue
        for i, columns in _keys(one):
            if columns[:1] != [place.column]:
                yield one.finding(i, "rule 3", f"a key of {table} begins with {place.column}")


def _keys(one: Statement) -> Iterator[tuple[int, list[str]]]:
    """Yield every key of a statement: where it is, and its columns."""
    for words in (("primary", "key"), ("unique",), ("exclude",)):
        for i in one.find(*words):
            following = i + len(words)
            if words == ("unique",) and one.key(following) == "index":
                yield i, one.list_at(next(one.find("("), 0))
            elif words == ("exclude",) or one.key(following) == "(":
                start = next(place for place in one.find("(") if place >= following)
                yield i, one.list_at(start)
            else:
                yield i, [_column_at(one, i)]


def _column_at(one: Statement, i: int) -> str:
    """Return the column in whose definition a place is."""
    begins = [place for place in one.items(next(one.find("("), 0)) if place <= i]
    return one.key(begins[-1]) if begins else ""


def foreign_keys_stay_together(script: Script) -> Iterator[Finding]:
    """Rules 2 and 3: a foreign key leads to a reference table, or from bucket to bucket."""
    unknown = Place("", "")
    for one in script.statements:
        owner = script.tables.get(table_of(one), unknown)
        for i in one.find("references"):
            _, target, after = one.name(i + 1)
            other = script.tables.get(target, unknown)
            if owner.kind == other.kind == "distributed":
                if not (_leads(one, after, other) and _leads(one, _list_before(one, i), owner)):
                    message = f"a foreign key to {target} begins with the bucket on both sides"
                    yield one.finding(i, "rule 3", message)
            elif "distributed" in (owner.kind, other.kind) and other.kind != "reference":
                message = f"no foreign key between a {owner.kind} table and {other.kind} {target}"
                yield one.finding(i, "rule 2", message)
            elif owner.kind == "reference" != other.kind:
                yield one.finding(i, "rule 2", f"a reference table cannot refer to {target}")


def _leads(one: Statement, start: int, place: Place) -> bool:
    return one.key(start) == "(" and one.list_at(start)[:1] == [place.column]


def _list_before(one: Statement, i: int) -> int:
    return max((place for place in one.find("(") if one.after_list(place) == i), default=0)


def no_objects_that_fire_or_hide(script: Script) -> Iterator[Finding]:
    """Rules 4, 5 and 6: no sequences, types, domains, triggers or rules."""
    for one in script.statements:
        kind, i = subject(one)
        if one.begins("create") and kind in _FORBIDDEN:
            yield one.finding(i, *_FORBIDDEN[kind])


def no_identity(script: Script) -> Iterator[Finding]:
    """Rule 4: no identity, no serial; Citus could never move such a table again."""
    for one in script.statements:
        places = [*one.find("as", "identity"), *(i for word in _SERIAL for i in one.find(word))]
        for i in places:
            yield one.finding(i, "rule 4", "ids come from the program, not from a sequence")


def no_volatile_defaults(script: Script) -> Iterator[Finding]:
    """Rule 6: a default is a constant; now() would be the time of whichever node was asked."""
    for one in script.statements:
        for i in one.find("default"):
            is_call = one.key(one.name(i + 1)[2]) == "("
            if one.key(i + 1) == "(" or is_call or one.key(i + 1) in CLOCKS:
                yield one.finding(i, "rule 6", "a default is a constant; pass other values in")


def functions_find_their_names(script: Script) -> Iterator[Finding]:
    """Rule 9: a function sets its search_path; workers have another."""
    for one in script.statements:
        is_routine = subject(one)[0] in ("function", "procedure")
        if one.begins("create") and is_routine and not one.has("set", "search_path"):
            yield one.finding(0, "rule 9", "a function needs `set search_path = ...`")


def transactions_are_the_runners(script: Script) -> Iterator[Finding]:
    """Rule 11: the runner begins and commits; a file that does so is no longer all or nothing."""
    for one in script.statements:
        if one.key(0) in ("begin", "commit", "end", "rollback", "start", "abort", "savepoint"):
            yield one.finding(0, "rule 11", "the runner begins and ends the transaction")
        if script.is_transactional and one.has("concurrently"):
            message = "`concurrently` needs a file that begins `-- outside a transaction`"
            yield one.finding(0, "rule 11", message)


def outside_is_repeatable(script: Script) -> Iterator[Finding]:
    """Rule 11: what runs outside a transaction may stop half-way and must run again."""
    if script.is_transactional:
        return
    dropped = {one.key(subject(one)[1] + 2) for one in script.statements if one.begins("drop")}
    for one in script.statements:
        kind, i = subject(one)
        if one.key(0) not in _REPEATABLE or (kind and not one.has("concurrently")):
            yield one.finding(0, "rule 11", "this belongs in a file that is one transaction")
        elif one.begins("create") and one.name(i)[1] not in dropped:
            name = one.name(i)[1]
            message = (
                f"first `drop index concurrently if exists {SCHEMA}.{name}`: a failed build stays"
            )
            yield one.finding(i, "rule 11", message)


Rule = Callable[[Script], Iterator[Finding]]
RULES: tuple[Rule, ...] = (
    own_schema, placed_at_once, keys_begin_with_the_bucket, foreign_keys_stay_together,
    no_objects_that_fire_or_hide, no_identity, no_volatile_defaults, functions_find_their_names,
    transactions_are_the_runners, outside_is_repeatable,
)  # fmt: skip


def check(migrations: Sequence[Migration]) -> list[Finding]:
    """Return every broken rule of the migrations."""
    tables = read_tables([one for migration in migrations for one in statements(migration)])
    scripts = [Script(one.is_transactional, statements(one), tables) for one in migrations]
    return [finding for script in scripts for rule in RULES for finding in rule(script)]
