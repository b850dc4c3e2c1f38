import pytest
from hypothesis import given
from hypothesis import strategies as st
from query_files import QueryError, parse, read_folder

from prefsvc.db.batch import LARGEST_CHUNK, Batch, filled
from prefsvc.db.sql_text import statements, tokens

PIECES = ["'", '"', "$$", "$a$", "--", "\n", "/*", "*/", ":a", "::", ":=", "(", ")", ";", "E'\\''"]


def params(text):
    return [token.text for token in tokens(text) if token.kind == "param"]


def query(body, kind="many"):
    (found,) = parse(f"-- name: some_query :{kind}\n-- Say what it does.\n{body}", file="some.sql")
    return found


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4))).map("".join))
def test_the_tokens_of_any_text_are_the_text(text):
    assert "".join(token.text for token in tokens(text)) == text


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4))).map("".join))
def test_every_token_knows_its_line(text):
    for token in tokens(text):
        assert token.line == text.count("\n", 0, token.start) + 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("where a = :a and b > :b?", [":a", ":b?"]),
        ("(:a,:b)", [":a", ":b"]),
        ("any(:keys::bytea[])", [":keys"]),
        (":a::text", [":a"]),
        ("'a'::text", []),
        ("x[2:3]", []),
        ("x[lo:hi]", []),
        ("x[f(1):hi]", []),
        ("f(x := :a, y => :b)", [":a", ":b"]),
        ("':a' || E'\\':b' || U&':c'", []),
        ('":a"', []),
        ("$$ :a $$ || $tag$ :b $$ :c $tag$ || :d", [":d"]),
        ("-- :a\n/* :b /* :c */ :d */ :e", [":e"]),
        ("'it''s' || :a", [":a"]),
    ],
)
def test_a_parameter_is_told_from_what_looks_like_one(text, found):
    assert params(text) == found


def test_a_script_is_cut_at_the_semicolons_between_statements_only():
    body = "create function f() returns int begin atomic; select case when true then 1 end; end"
    quoted = "create function g() returns int language sql as $$ select 1; $$"
    assert statements(f"-- first;\nselect ';';;\n{body};\n{quoted};\n/* last; */") == [
        "select ';'",
        body,
        quoted,
    ]


def test_parameters_are_numbered_in_the_order_of_their_first_use():
    found = query("select x from t where b = :b and a = :a? and (c = :b or a is null)")
    assert found.text == "select x from t where b = $1 and a = $2 and (c = $1 or a is null)"
    assert found.params == {"b": False, "a": True}


def test_comments_and_the_last_semicolon_stay_behind():
    found = query("-- More of it.\nselect 1 as x -- :not_a_parameter\n-- a reason\nfrom t;\n")
    assert found.doc == "Say what it does. More of it."
    assert found.text == "select 1 as x\nfrom t"


def test_a_batch_is_cut_around_its_rows():
    found = query(
        "insert into t (a, b, c) values :each(a::numeric(10, 2), b::jsonb?, c::text[])"
        " on conflict do nothing returning a + :more as a"
    )
    assert [(one.name, one.type, one.maybe) for one in found.columns] == [
        ("a", "numeric(10, 2)", False),
        ("b", "jsonb", True),
        ("c", "text[]", False),
    ]
    assert found.batch.text(2) == (
        "insert into t (a, b, c) values ($2::numeric(10, 2), $3::jsonb, $4::text[]), "
        "($5::numeric(10, 2), $6::jsonb, $7::text[]) on conflict do nothing returning a + $1 as a"
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("select 1", "before the first"),
        ("-- name: a :lots\n-- Read.\nselect 1", "a kind of one, maybe"),
        ("-- name: A :one\n-- Read.\nselect 1", "not `-- name"),
        ("--name: a :one\n-- Read.\nselect 1", "not `-- name"),
        ("-- name: a :one\nselect 1", "say in a comment line"),
        ("-- name: a :one\n-- no full stop\nselect 1", "say in a comment line"),
        ("-- name: a :one\n-- Read.\nselect :conn", "needs the name conn"),
        ("-- name: a :one\n-- Read.\ninsert into t values :each(a::int)", "a batch is one of"),
        ("-- name: a :all\n-- Read.\nselect 1", "takes no rows"),
        ("-- name: a :many\n-- Read.\ninsert into t values :each", "needs its columns"),
        ("-- name: a :many\n-- Read.\ninsert into t values :each(a)", "not `name::type`"),
        ("-- name: a :many\n-- Read.\nvalues :each(a::int), :each(b::int)", "one `:each"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text, complaint):
    with pytest.raises(QueryError, match=rf"^some.sql:1: .*{complaint}"):
        parse(text, file="some.sql")


def test_the_place_of_a_query_is_its_first_line():
    text = (
        "-- reasons\n\n-- name: a :one\n-- Read.\nselect 1\n\n-- name: b :one\n-- Read.\nselect 2"
    )
    assert [one.place for one in parse(text, file="some.sql")] == ["some.sql:3", "some.sql:7"]


def test_two_queries_of_one_name_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.sql").write_text("-- name: same :one\n-- Read.\nselect 1 as x")
    with pytest.raises(QueryError, match=r"b.sql:1: same is already at .*a.sql:1"):
        read_folder(tmp_path)


@given(st.integers(0, 2000), st.integers(1, 400), st.integers(0, 50))
def test_rows_are_cut_in_order_into_few_sizes_within_the_limit(count, width, fixed):
    batch = Batch("values ", "", fixed, ("int",) * width)
    rows = range(count)
    chunks = list(batch.cut(rows))
    assert [row for chunk in chunks for row in chunk] == list(rows)
    for size in map(len, chunks):
        assert size <= 16 or size % 16 == 0
        assert size <= 256
        assert size * width + fixed <= 30_000


@given(st.integers(min_value=0, max_value=5 * LARGEST_CHUNK))
def test_rows_that_are_filled_up_make_as_few_chunks_as_they_can(count):
    chunks = list(Batch("values ", "", 2, ("int", "int")).cut(range(filled(count))))
    assert filled(count) >= count
    assert len(chunks) == -(-count // LARGEST_CHUNK)
    assert filled(count) - count < max(1, count)


def test_a_batch_keeps_the_texts_it_has_written():
    batch = Batch("values ", "", 0, ("int",))
    assert batch.text(8) is batch.text(8)
