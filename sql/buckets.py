"""Whether a statement meets its distributed tables by their distribution column."""

from collections.abc import Iterator

from statement import Statement, Tables, Use, conditions, uses


def scattered(one: Statement, tables: Tables, *, is_locking: bool = False) -> list[Use]:
    """Return the uses of distributed tables that no condition ties to a bucket.

    A tie is `bucket = value`, `bucket in (...)`, `(bucket, ...) in (...)`, or `bucket =` that of a
    table so tied. Locking needs more: Citus locks rows of one shard only, so equality.
    """
    met = [use for use in uses(one, tables) if tables[use.table].kind == "distributed"]
    sought = {use.alias: use for use in met if use.how != "insert"}
    columns = {tables[use.table].column for use in met}
    tied: set[str] = set()
    links: list[set[str]] = []
    for i in sorted(conditions(one)):
        if one.key(i) in columns:
            for tie in _ties(one, i, sought, is_locking=is_locking):
                (links.append if len(tie) > 1 else tied.update)(tie)
    for _ in links:  # a chain of n links is walked in n steps
        tied = tied.union(*(link for link in links if link & tied))
    return [use for alias, use in sought.items() if alias not in tied]


def _ties(
    one: Statement, i: int, sought: dict[str, Use], *, is_locking: bool
) -> Iterator[set[str]]:
    """Say which aliases the column at `i` ties: one to a value, or two to one another."""
    mine = _owner(one, i, sought)
    start = i - 2 if one.key(i - 1) == "." else i
    if not mine:
        return
    if one.key(i + 1) == "=" or one.key(start - 1) == "=":
        other = i + 4 if one.key(i + 1) == "=" else start - 2
        is_column = one.key(other - 1) == "." and one.key(other) == one.key(i)
        if not (is_locking and one.key(i + 2) == "any"):
            yield {mine, (is_column and _owner(one, other, sought)) or mine}
    elif not is_locking and (one.key(i + 1) == "in" or _is_in_row(one, i)):
        yield {mine}


def _owner(one: Statement, i: int, sought: dict[str, Use]) -> str:
    if one.key(i - 1) == ".":
        return one.key(i - 2) if one.key(i - 2) in sought else ""
    return next(iter(sought)) if len(sought) == 1 else ""


def _is_in_row(one: Statement, i: int) -> bool:
    """Whether it stands in `(bucket, brand_id) in (...)` or `(...) = (...)`."""
    start = i
    while start > 0 and one.key(start) not in ("(", ")"):
        start -= 1
    return one.key(start) == "(" and one.key(one.after_list(start)) in ("in", "=")
