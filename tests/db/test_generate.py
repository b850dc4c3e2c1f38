"""The SQL that is written is the SQL that runs, with the types that PostgreSQL gives it."""

import importlib.util
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import generate
import outcome
import pytest
import schema
from query_files import QueryError

from prefsvc.db.connection import single
from prefsvc.db.migrate import migrate
from tests.db.databases import new_database, session

ROOT = Path(__file__).parents[2]
TABLE = """
create table prefsvc.thing (
    bucket smallint not null, thing_id int not null, size bigint not null, note text, body jsonb,
    primary key (bucket, thing_id)
)
"""
QUERIES = """
-- name: put_things :all
-- Put things. Their sizes add up.
insert into thing (bucket, thing_id, size, note, body)
values :each(bucket::smallint, thing_id::int, size::bigint, note::text?, body::jsonb?)
on conflict (bucket, thing_id) do update set size = thing.size + excluded.size
returning thing_id, size, note as "note?", body as "body?"

-- name: new_things :all
-- Put things that must not be there yet, or there are fewer rows than promised.
insert into thing (bucket, thing_id, size)
values :each(bucket::smallint, thing_id::int, size::bigint)
on conflict (bucket, thing_id) do nothing
returning thing_id

-- name: perhaps_put :many
-- Put things unless they are there.
insert into thing (bucket, thing_id, size)
values :each(bucket::smallint, thing_id::int, size::bigint)
on conflict (bucket, thing_id) do nothing
returning thing_id

-- name: put_quietly :execute
-- Put things of one bucket.
insert into thing (bucket, thing_id, size)
select :bucket, thing_id, size
from (values :each(thing_id::int, size::bigint)) as v (thing_id, size)

-- name: count_put :count
-- Put things and count them.
insert into thing (bucket, thing_id, size)
values :each(bucket::smallint, thing_id::int, size::bigint)

-- name: sizes :values
-- Read the sizes of things, above a least one.
select size from thing
where (bucket, thing_id) in (values :each(bucket::smallint, thing_id::int)) and size >= :least

-- name: ids :values
-- Read every id.
select thing_id from thing order by thing_id

-- name: thing :one
-- Read a thing that is there.
select thing_id, note as "note?" from thing where thing_id = :thing_id

-- name: thing_or_none :maybe
-- Read a thing.
select thing_id from thing where thing_id = :thing_id

-- name: things :many
-- Read things by note; without one, those that have none.
select thing_id from thing where note is not distinct from :note?::text order by thing_id

-- name: thing_count :value
-- Count things.
select count(*) from thing

-- name: largest :value
-- Read the largest size, if there is any thing.
select max(size) as "size?" from thing

-- name: promised_size :value
-- Read a size that must be there.
select size from thing where thing_id = :thing_id

-- name: forget :count
-- Forget a thing.
delete from thing where thing_id = :thing_id

-- name: forget_all :execute
-- Forget everything.
delete from thing

-- name: echo :one
-- Read every type back.
select :a::boolean as a, :b::bytea as b, :c::date as c, :d::float8 as d, :e::smallint as e,
    :f::interval as f, :g::jsonb as g, :h::varchar as h, :i::timestamptz as i, :j::uuid as j,
    :k::bytea[] as k, :l::smallint[] as l, :m::bigint[] as m, :n::text[] as n,
    :o::timestamptz[] as o, :p::uuid[] as p, :q::int[] as q, 'a:b"\"\"\\c' as text
"""


@pytest.fixture(scope="module")
async def dsn(server_url):
    async with new_database(server_url) as dsn:
        async with session(dsn) as conn:
            await migrate(conn)
        yield dsn


@pytest.fixture(scope="module")
async def things_dsn(server_url):
    async with new_database(server_url) as dsn:
        async with session(dsn) as conn:
            await conn.execute(f"create schema prefsvc; {TABLE}")
        yield dsn


@pytest.fixture(scope="module")
async def queries(things_dsn, tmp_path_factory):
    """Generate a module from QUERIES, and import it."""
    folder = tmp_path_factory.mktemp("queries")
    (folder / "things.sql").write_text(QUERIES)
    file = folder / "generated_queries.py"
    file.write_text(await generate.module(things_dsn, folder))
    spec = importlib.util.spec_from_file_location("generated_queries", file)
    module = sys.modules["generated_queries"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["generated_queries"]


@pytest.fixture
async def conn(things_dsn):
    async with single(things_dsn) as conn:
        transaction = conn.transaction()
        await transaction.start()
        yield conn
        await transaction.rollback()


async def complaint(dsn, folder, text):
    (folder / "some.sql").write_text(text)
    with pytest.raises(QueryError) as error:
        await generate.module(dsn, folder)
    return str(error.value)


async def test_the_generated_queries_are_fresh(dsn):
    fresh = await generate.module(dsn)
    assert generate.MODULE.read_text() == fresh, "python sql/generate.py DSN --write"


@pytest.mark.skipif(schema.pg_dump() is None, reason="no pg_dump here")
async def test_the_schema_file_is_fresh(dsn):
    assert schema.FILE.read_text() == schema.schema(dsn), "python sql/schema.py DSN --write"


async def test_the_command_says_that_a_fresh_module_is_fresh(dsn):
    command = [sys.executable, "sql/generate.py", dsn, "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_check_of_a_stale_file_shows_the_difference(tmp_path, capsys):
    file = tmp_path / "made.py"
    file.write_text("old\n")
    assert outcome.deliver(["dsn", "--check"], file, lambda _: "new\n") == 1
    assert "-old\n+new\n" in capsys.readouterr().out
    assert file.read_text() == "old\n"


def test_what_is_made_is_written_only_when_asked_for(tmp_path, capsys):
    file = tmp_path / "made.py"
    assert outcome.deliver(["dsn"], file, lambda _: "new\n") == 0
    assert capsys.readouterr().out == "new\n"
    assert not file.exists()
    assert outcome.deliver(["dsn", "--write"], file, lambda _: "new\n") == 0
    assert file.read_text() == "new\n"


async def test_rows_of_a_batch_are_answered_one_for_one_in_order(conn, queries):
    rows = [queries.PutThingsIn(i % 64, i, i, None, None) for i in range(700)]
    made = await queries.put_things(conn, rows)
    assert [row.thing_id for row in made] == list(range(700))
    assert await queries.put_things(conn, rows[3:4]) == [queries.PutThingsRow(3, 6, None, None)]


async def test_a_batch_carries_nulls_and_json(conn, queries):
    rows = [
        queries.PutThingsIn(1, 1, 5, "ann", {"a": [1]}),
        queries.PutThingsIn(1, 2, 5, None, None),
    ]
    assert await queries.put_things(conn, rows) == [
        queries.PutThingsRow(1, 5, "ann", {"a": [1]}),
        queries.PutThingsRow(2, 5, None, None),
    ]


async def test_a_row_that_gets_no_answer_is_a_fault_where_all_are_promised(conn, queries):
    await queries.new_things(conn, [queries.NewThingsIn(1, 1, 1)])
    again = [queries.NewThingsIn(1, 1, 1), queries.NewThingsIn(1, 2, 1)]
    with pytest.raises(LookupError, match="promised 2 rows and gave 1"):
        await queries.new_things(conn, again)


async def test_a_row_that_gets_no_answer_is_left_out_where_it_may_be(conn, queries):
    rows = [queries.PerhapsPutIn(1, i, 1) for i in range(3)]
    await queries.perhaps_put(conn, rows[:1])
    assert [row.thing_id for row in await queries.perhaps_put(conn, rows)] == [1, 2]


async def test_a_batch_takes_ordinary_parameters_beside_its_rows(conn, queries):
    await queries.put_quietly(conn, [queries.PutQuietlyIn(i, i) for i in range(300)], bucket=7)
    asked = [queries.SizesIn(7, i) for i in range(300)]
    assert sorted(await queries.sizes(conn, asked, least=298)) == [298, 299]


async def test_the_rows_of_a_batch_are_counted_over_all_its_statements(conn, queries):
    assert await queries.count_put(conn, [queries.CountPutIn(1, i, 1) for i in range(300)]) == 300


async def test_no_rows_are_no_statement(queries):
    nowhere = None  # a connection that would fail if it were asked
    assert await queries.put_things(nowhere, []) == []
    assert await queries.sizes(nowhere, [], least=0) == []
    assert await queries.count_put(nowhere, []) == 0
    assert await queries.put_quietly(nowhere, [], bucket=1) is None


async def test_a_batch_of_any_size_prepares_few_statements(things_dsn, queries):
    async with single(things_dsn) as conn:
        for count in range(1, 130):
            rows = [queries.SizesIn(1, i) for i in range(count)]
            await queries.sizes(conn, rows, least=0)
        prepared = await conn.fetchval(
            "select count(*) from pg_prepared_statements where statement like 'select size %'"
        )
    assert prepared == 16 + 7  # each size to 16, then the multiples of 16 to 128


async def test_each_kind_answers_in_its_shape(conn, queries):
    put = [queries.PutThingsIn(1, 1, 5, "ann", None), queries.PutThingsIn(1, 2, 6, None, None)]
    await queries.put_things(conn, put)
    assert await queries.thing(conn, thing_id=1) == queries.ThingRow(1, "ann")
    assert await queries.thing_or_none(conn, thing_id=3) is None
    assert await queries.things(conn, note=None) == [queries.ThingsRow(2)]
    assert await queries.things(conn, note="ann") == [queries.ThingsRow(1)]
    assert await queries.ids(conn) == [1, 2]
    assert await queries.thing_count(conn) == 2
    assert await queries.largest(conn) == 6
    assert await queries.promised_size(conn, thing_id=2) == 6
    assert await queries.forget(conn, thing_id=1) == 1
    assert await queries.forget_all(conn) is None
    assert await queries.largest(conn) is None


@pytest.mark.parametrize("name", ["thing", "promised_size"])
async def test_a_promised_row_that_is_not_there_is_a_fault(conn, queries, name):
    with pytest.raises(LookupError):
        await getattr(queries, name)(conn, thing_id=404)


async def test_every_type_comes_back_as_it_went_in(conn, queries):
    now, one = datetime(2026, 1, 2, 3, tzinfo=UTC), UUID(int=1)
    values = {
        "a": True, "b": b"\0", "c": date(2026, 1, 2), "d": 0.5, "e": 1, "f": timedelta(days=1),
        "g": {"k": None}, "h": "v", "i": now, "j": one, "k": [b"\0"], "l": [1], "m": [2**40],
        "n": ["t"], "o": [now], "p": [one], "q": [3],
    }  # fmt: skip
    row = await queries.echo(conn, **values)
    assert {name: getattr(row, name) for name in values} == values
    assert row.text == 'a:b"""\\c'


def test_the_generated_module_passes_the_type_checker(queries):
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", queries.__file__]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_sentence_becomes_the_docstring_s_first_line(queries):
    assert queries.put_things.__doc__ == "Put things.\n\n    Their sizes add up.\n    "


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select 1 as x from nowhere", 'relation "nowhere" does not exist'),
        ("select count(*), count(*) from brand", "two columns have the same name"),
        ("select 1 + 1", "give the column ?column? a name"),
        ("select 1.5 as x", "no Python type is chosen for pg_catalog.numeric"),
        ("select b from brand as b", "no Python type is chosen for prefsvc.brand"),
        ("select array[1.5] as x", "no Python type is chosen for pg_catalog."),
        ("delete from brand", "many needs columns to return"),
    ],
)
async def test_a_query_that_cannot_work_is_named(dsn, tmp_path, sql, reason):
    text = await complaint(dsn, tmp_path, f"\n-- name: broken :many\n-- Break.\n{sql}")
    assert text.startswith("sql/queries/some.sql:2: broken: ")
    assert reason in text
