import base64
import string
import zlib
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefsvc.cursor import BUCKET_COUNT, TEXT_LENGTH_MAX, Cursor, from_heads
from prefsvc.errors import InvalidCursor

EPOCH = UUID("0199f3a2-7c1e-7b1f-9d6a-2f41c0a8e511")
ALPHABET = string.ascii_letters + string.digits + "-_"

cursors = st.builds(
    Cursor,
    st.uuids(),
    st.integers(0, 2**31 - 1),
    st.lists(
        st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1)),
        min_size=BUCKET_COUNT,
        max_size=BUCKET_COUNT,
    ).map(tuple),
)


@given(cursors)
@example(Cursor.start(EPOCH, 1))
@example(Cursor(EPOCH, 2**31 - 1, (2**63 - 1,) * BUCKET_COUNT))
def test_a_cursor_is_read_back_as_it_was_given_out(cursor):
    text = str(cursor)
    assert Cursor.parse(text) == cursor
    assert len(text) <= TEXT_LENGTH_MAX
    assert set(text) <= set(ALPHABET)


def refused(text):
    with pytest.raises(InvalidCursor):
        Cursor.parse(text)


def test_every_change_of_a_single_character_is_refused():
    text = str(from_heads(EPOCH, 7, [(0, 1), (5, 300), (63, 2**40)]))
    for place, was in enumerate(text):
        for char in set(ALPHABET) - {was}:
            refused(text[:place] + char + text[place + 1 :])


def test_every_loss_and_every_gain_of_a_character_is_refused():
    text = str(from_heads(EPOCH, 7, [(0, 1), (5, 300)]))
    for place in range(len(text)):
        refused(text[:place])
        refused(text[:place] + text[place + 1 :])
        refused(text[:place] + "A" + text[place:])
    refused(text + "A")
    refused(text + "=")


@given(st.text(max_size=200))
@example("")
@example("A")
@example("====")
@example("\N{FULLWIDTH DIGIT ONE}" * 40)
@example("A" * (TEXT_LENGTH_MAX + 1))
def test_any_other_text_is_refused_and_no_fault(text):
    refused(text)


def with_a_good_check(body):
    cursor = Cursor.start(EPOCH, 1)
    raw = base64.urlsafe_b64decode(str(cursor) + "=" * (-len(str(cursor)) % 4))
    made = body(raw[:-4])
    return (
        base64.urlsafe_b64encode(made + zlib.crc32(made).to_bytes(4, "big")).rstrip(b"=").decode()
    )


@pytest.mark.parametrize(
    "body",
    [
        lambda raw: b"\x02" + raw[1:],  # another version
        lambda raw: raw[:-1],  # 63 positions
        lambda raw: raw + b"\0",  # 65 positions
        lambda raw: raw[:-1] + b"\x80",  # a position without its end
        lambda raw: raw[:-1] + b"\x80\0",  # a position written longer than need be
        lambda raw: raw[:-1] + b"\xff" * 9 + b"\x01",  # beyond what the database counts to
        lambda raw: raw[:21],  # no positions
    ],
)
def test_what_was_never_given_out_is_refused_even_undamaged(body):
    refused(with_a_good_check(body))


@given(cursors, cursors)
def test_behind_lists_the_buckets_that_have_more(one, other):
    behind = one.behind(other)
    assert behind == [n for n in range(BUCKET_COUNT) if one.positions[n] < other.positions[n]]


@given(cursors, st.integers(0, BUCKET_COUNT - 1), st.integers(0, 2**63 - 1))
def test_moving_one_bucket_moves_no_other(cursor, bucket, position):
    moved = cursor.moved(bucket, position)
    assert moved.positions[bucket] == position
    assert [n for n in range(BUCKET_COUNT) if moved.positions[n] != cursor.positions[n]] in (
        [],
        [bucket],
    )


def test_a_cursor_has_a_position_for_every_bucket():
    with pytest.raises(ValueError, match="63 positions"):
        Cursor(EPOCH, 1, (0,) * 63)
