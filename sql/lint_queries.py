"""The rules of ENGINE.md 2.4 for sql/queries: each a function that finds where it is broken.

A query may say `-- lint: all buckets, <why>` (rule 3) or `-- lint: fewer rows, <why>` (rule 10).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from buckets import scattered
from query_files import Query
from statement import Finding, Statement, Tables, assignments, uses

from prefsvc.db.sql_text import code, tokens

CLOCKS = {
    "clock_timestamp", "current_date", "current_time", "current_timestamp", "localtime",
    "localtimestamp", "now", "statement_timestamp", "transaction_timestamp",
}  # fmt: skip
VOLATILE = CLOCKS | {
    "gen_random_uuid", "nextval", "pg_current_xact_id", "random", "setval", "timeofday",
    "txid_current", "uuidv4", "uuidv7",
}  # fmt: skip
EXCUSES = {"all buckets": "rule 3", "fewer rows": "rule 10"}
_LOCKS = {"update", "share", "no", "key"}


@dataclass(frozen=True, slots=True)
class Case:
    """A query in the light of what the migrations say of its tables."""

    query: Query
    one: Statement
    tables: Tables

    @property
    def excuses(self) -> dict[str, str]:
        """Return the query's `-- lint:` lines: what is excused, and why."""
        found = re.findall(r"^-- lint: *([^,\n]*),? *(.*)$", self.query.source, re.MULTILINE)
        return {what.strip(): why.strip() for what, why in found}


def excuses_give_reasons(case: Case) -> Iterator[Finding]:
    """Refuse an excuse that is not known, gives no reason or excuses nothing."""
    needed = {finding.rule for finding in (*_scattered(case), *_uncounted(case))}
    for what, why in case.excuses.items():
        if what not in EXCUSES or not why:
            message = f"say `-- lint: {' | '.join(EXCUSES)}, <reason>`, not {what!r}"
            yield case.one.finding(0, "excuse", message)
        elif EXCUSES[what] not in needed:
            yield case.one.finding(0, "excuse", f"`-- lint: {what}` excuses nothing here")


def no_star(one: Statement) -> Iterator[Finding]:
    """STYLE A.5: columns are named, so that a new one changes no answer."""
    for word in ("select", "returning", "."):
        for i in one.find(word, "*"):
            yield one.finding(i, "style A.5", "name the columns instead of `*`")


def own_schema(one: Statement) -> Iterator[Finding]:
    """Rule 1: the search path finds our tables; the schema public is not ours."""
    for i in one.find("public", "."):
        yield one.finding(i, "rule 1", "nothing of ours is in the schema public")


def in_one_bucket(case: Case) -> Iterator[Finding]:
    """Rule 3: every distributed table is met by its distribution column."""
    if "all buckets" not in case.excuses:
        yield from _scattered(case)


def _scattered(case: Case) -> Iterator[Finding]:
    for use in scattered(case.one, case.tables):
        column = case.tables[use.table].column
        message = f"{use.table} without `{column} = ...`; or `-- lint: all buckets, <reason>`"
        yield case.one.finding(0, "rule 3", message)


def bucket_is_written(case: Case) -> Iterator[Finding]:
    """Rule 3: an insert names the distribution column, and so does its conflict."""
    one = case.one
    for start in one.find("insert", "into"):
        _, table, after = one.name(start + 2)
        place = case.tables.get(table)
        if place is None or place.kind != "distributed":
            continue
        after += 2 if one.key(after) == "as" else 0
        if place.column not in one.list_at(after):
            yield one.finding(start, "rule 3", f"an insert into {table} names {place.column}")
        for i in one.find("on", "conflict", "("):
            if place.column not in one.list_at(i + 2):
                yield one.finding(i, "rule 3", f"`on conflict` of {table} names {place.column}")


def bucket_never_changes(case: Case) -> Iterator[Finding]:
    """Rule 3: the distribution column is never updated."""
    columns = {place.column for place in case.tables.values() if place.kind == "distributed"}
    for i in assignments(case.one):
        if case.one.key(i) in columns:
            message = f"{case.one.key(i)} is never updated; delete and insert"
            yield case.one.finding(i, "rule 3", message)


def no_clock(one: Statement) -> Iterator[Finding]:
    """Rule 6: times and random values are passed in; each node would have its own."""
    for i, token in enumerate(one.tokens):
        is_call = one.key(i + 1) == "(" or token.key.startswith(("current_", "local"))
        if is_call and token.key in VOLATILE and one.key(i - 1) != ".":
            yield one.finding(i, "rule 6", f"pass the value in instead of {token.key}()")


def citus_can_run_it(one: Statement) -> Iterator[Finding]:
    """Rule 7: no unnest, LATERAL, MERGE, nor EXISTS of no columns."""
    for words, message in (
        (("unnest", "("), "rows come as `values :each(...)`, not unnest"),
        (("lateral",), "no LATERAL: Citus refuses it over values with a limit"),
        (("merge", "into"), "no MERGE: insert ... on conflict"),
        (("exists", "(", "select", "from"), "exists needs a column on Citus: `select 1 from`"),
    ):
        for i in one.find(*words):
            yield one.finding(i, "rule 7", message)


def values_hold_no_query(one: Statement) -> Iterator[Finding]:
    """Rule 7: Citus refuses a subquery in an insert of values, in its conflict too."""
    for start in one.find("insert", "into"):
        _, _, after = one.name(start + 2)
        after += 2 if one.key(after) == "as" else 0
        after = one.after_list(after) if one.key(after) == "(" else after
        if one.key(after) == "values":
            for i in _selects(one, after):
                yield one.finding(i, "rule 7", "no `select` in an insert of values: read it before")


def _selects(one: Statement, start: int) -> Iterator[int]:
    """Yield every `select` from a place to the end of the parentheses that it is in."""
    depth = 0
    for i in range(start, len(one.tokens)):
        depth += {"(": 1, ")": -1}.get(one.key(i), 0)
        if depth < 0:
            return
        if one.key(i) == "select":
            yield i


def no_node_local_signals(one: Statement) -> Iterator[Finding]:
    """Rule 8: LISTEN, NOTIFY and advisory locks reach one node only."""
    for i, token in enumerate(one.tokens):
        is_signal = i == 0 and token.key in ("listen", "notify", "unlisten")
        if is_signal or token.key.startswith(("pg_notify", "pg_advisory", "pg_try_advisory")):
            message = f"{token.key} reaches one node only: lock or poll a row"
            yield one.finding(i, "rule 8", message)


def no_session_settings(one: Statement) -> Iterator[Finding]:
    """Refuse what outlives a transaction: connections go back to the pool as they are."""
    if one.begins("set") and not one.begins("set", "local"):
        yield one.finding(0, "pool", "`set local`: pooled connections are not reset")


def locks_in_one_bucket(case: Case) -> Iterator[Finding]:
    """Rule 9: rows are locked within one given bucket; no excuse."""
    for i in case.one.find("for"):
        if case.one.key(i + 1) in _LOCKS:
            for use in scattered(case.one, case.tables, is_locking=True):
                message = f"Citus locks rows of {use.table} only where the bucket equals a value"
                yield case.one.finding(i, "rule 9", message)


def joins_stay_on_a_node(case: Case) -> Iterator[Finding]:
    """Rule 9: a distributed table is joined with its like or with reference tables."""
    kinds = {case.tables[use.table].kind: use.table for use in uses(case.one, case.tables)}
    if "distributed" in kinds and "local" in kinds:
        message = f"{kinds['distributed']} cannot be joined with the local table {kinds['local']}"
        yield case.one.finding(0, "rule 9", message)


def updates_are_counted(case: Case) -> Iterator[Finding]:
    """Rule 10: an update whose row was moved away answers with no row; somebody must notice."""
    if "fewer rows" not in case.excuses:
        yield from _uncounted(case)


def _uncounted(case: Case) -> Iterator[Finding]:
    updated = any(use.how == "update" for use in uses(case.one, case.tables))
    upserted = case.one.has("do", "update")
    if case.query.kind == "execute" and updated:
        message = "an update nobody counts: make it :count, :one, :maybe or :all"
        yield case.one.finding(0, "rule 10", message)
    is_open = case.query.kind in ("many", "values") and case.one.has("returning")
    if is_open and (updated or upserted):
        message = "make it :all, or `-- lint: fewer rows, <reason>` where rows may be missing"
        yield case.one.finding(0, "rule 10", message)


def no_schema_changes(one: Statement) -> Iterator[Finding]:
    """Rule 11: the schema changes in migrations, through the coordinator."""
    if one.key(0) in ("alter", "create", "drop", "grant", "revoke", "truncate"):
        yield one.finding(0, "rule 11", f"{one.key(0)} belongs in a migration")


STATEMENT_RULES: tuple[Callable[[Statement], Iterator[Finding]], ...] = (
    no_star, own_schema, no_clock, citus_can_run_it, values_hold_no_query,
    no_node_local_signals, no_session_settings, no_schema_changes,
)  # fmt: skip
RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    excuses_give_reasons, in_one_bucket, bucket_is_written, bucket_never_changes,
    locks_in_one_bucket, joins_stay_on_a_node, updates_are_counted,
)  # fmt: skip


def check(query: Query, tables: Tables) -> list[Finding]:
    """Return every broken rule of a query."""
    one = Statement(query.file, query.line + 1, code(tokens(query.source)))
    case = Case(query, one, tables)
    found = [finding for rule in STATEMENT_RULES for finding in rule(one)]
    return found + [finding for rule in RULES for finding in rule(case)]
