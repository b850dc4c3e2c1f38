"""Each rule of sql/lint.py finds what it is for, and nothing in the SQL as it should be."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import lint
import lint_migrations
import lint_queries
import pytest
from query_files import parse
from statement import Place

from prefsvc.db.sql_files import Migration

ROOT = Path(__file__).parents[2]
EXAMPLES = Path(__file__).with_name("lint_examples")
TABLES = {
    "event": Place("distributed", "bucket"),
    "address": Place("distributed", "bucket"),
    "brand": Place("reference", ""),
    "note": Place("local", ""),
}
GOOD_TABLES = """
create table prefsvc.brand (brand_id integer not null, primary key (brand_id));
select prefsvc.distribute('brand', 'reference', '', '');
create table prefsvc.event (
    bucket smallint not null, event_id uuid not null, brand_id integer, kind text default 'a',
    at timestamptz, constraint event_pkey primary key (bucket, event_id),
    foreign key (brand_id) references prefsvc.brand (brand_id)
);
select prefsvc.distribute('event', 'distributed', 'bucket', '');
create table prefsvc.note (note_id integer primary key);
select prefsvc.distribute('note', 'local', '', '');
"""


def of_query(text, kind="many"):
    (query,) = parse(f"-- name: some_query :{kind}\n-- Say what it does.\n{text}", file="some.sql")
    return lint_queries.check(query, TABLES)


def of_migration(text, before=GOOD_TABLES):
    earlier = Migration(1, "0001_a.sql", before)
    return lint_migrations.check([earlier, Migration(2, "0002_b.sql", text)])


def rules(findings):
    return {finding.rule for finding in findings}


@dataclass(frozen=True)
class Example:
    rule: str
    function: str
    kind: str
    broken: str
    mended: str


def examples(name):
    _, *parts = re.split(r"^-- broken: (.*)\n", (EXAMPLES / name).read_text(), flags=re.MULTILINE)
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        rule, function, *kind = title.split(", ")
        broken, mended = text.split("\n-- mended\n")
        yield Example(rule, function, "".join(kind), broken, mended.strip())


QUERIES = [
    pytest.param(one, id=f"{one.function}-{i}") for i, one in enumerate(examples("queries.sql"))
]
MIGRATIONS = [
    pytest.param(one, id=f"{one.function}-{i}") for i, one in enumerate(examples("migrations.sql"))
]


@pytest.mark.parametrize("example", QUERIES)
def test_a_query_that_breaks_a_rule_is_found(example):
    assert example.rule in rules(of_query(example.broken, example.kind))
    assert of_query(example.mended, example.kind) == []


@pytest.mark.parametrize("example", QUERIES)
def test_without_its_rule_the_query_passes(monkeypatch, example):
    for name in ("RULES", "STATEMENT_RULES"):
        kept = [one for one in getattr(lint_queries, name) if one.__name__ != example.function]
        monkeypatch.setattr(lint_queries, name, kept)
    assert example.rule not in rules(of_query(example.broken, example.kind))


@pytest.mark.parametrize("example", MIGRATIONS)
def test_a_migration_that_breaks_a_rule_is_found(example):
    assert rules(of_migration(example.broken)) == {example.rule}
    assert of_migration(example.mended) == []


@pytest.mark.parametrize("example", MIGRATIONS)
def test_without_its_rule_the_migration_passes(monkeypatch, example):
    kept = [one for one in lint_migrations.RULES if one.__name__ != example.function]
    monkeypatch.setattr(lint_migrations, "RULES", kept)
    assert of_migration(example.broken) == []


def test_every_rule_has_an_example():
    written = [*lint_queries.RULES, *lint_queries.STATEMENT_RULES, *lint_migrations.RULES]
    shown = [*examples("queries.sql"), *examples("migrations.sql")]
    assert {rule.__name__ for rule in written} == {example.function for example in shown}


def test_strings_and_comments_break_no_rule():
    assert of_query("select 'now() unnest(' as x -- lateral * public.x\nfrom brand") == []


def test_a_finding_says_where():
    (finding,) = of_query("select slug\nfrom brand\nwhere at < now()")
    assert finding.text.startswith("some.sql:5: rule 6: pass the value in")
    (finding,) = of_migration("select 1;\n\ncreate domain prefsvc.slug as text")
    assert finding.text.startswith("sql/migrations/0002_b.sql:3: rule 5: ")


def test_our_own_sql_keeps_the_rules():
    assert [finding.text for finding in lint.findings()] == []


def test_the_command_fails_where_a_rule_is_broken(tmp_path):
    for name in ("migrations", "queries"):
        (tmp_path / name).mkdir()
    (tmp_path / "migrations" / "0001_a.sql").write_text("create domain prefsvc.slug as text")
    (tmp_path / "queries" / "a.sql").write_text("-- name: a :one\n-- Read.\nselect now() as x")
    assert [finding.rule for finding in lint.findings(tmp_path)] == ["rule 5", "rule 6"]
    done = subprocess.run(
        [sys.executable, "sql/lint.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
