"""Cutting what arrives into lines, however it is cut on its way."""

from hypothesis import given
from hypothesis import strategies as st

from prefsvc.errors import BodyTooLarge
from prefsvc.web.lines import LINE_BYTES_MAX, Splitter

LONG = b"x" * (LINE_BYTES_MAX + 1)
BLANK = b" " * (LINE_BYTES_MAX + 1)
lines = st.sampled_from(
    [b"", b" ", b"{}", b"caf\xc3\xa9", LONG[:-1], LONG, LONG * 3, BLANK[:-1], BLANK, BLANK + b"{}"]
)


def cut(body, places):
    ends = sorted(place % (len(body) + 1) for place in places)
    starts = [0, *ends]
    return [body[start:end] for start, end in zip(starts, [*ends, len(body)], strict=True)]


def read(chunks):
    splitter = Splitter()
    found = [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.end()
    return ["too long" if isinstance(line, BodyTooLarge) else line for line in found]


@given(st.lists(lines, max_size=6), st.lists(st.integers(0, 10**6), max_size=9), st.booleans())
def test_the_same_lines_come_out_wherever_the_body_was_cut(wanted, places, is_ended):
    body = b"\n".join(wanted) + (b"\n" if is_ended else b"")
    told = [one for one in wanted if one.strip() or len(one) > LINE_BYTES_MAX]
    expected = ["too long" if len(one) > LINE_BYTES_MAX else one for one in told]
    assert read(cut(body, places)) == expected


def test_a_line_that_begins_with_more_blanks_than_are_kept_is_refused_as_too_long():
    assert read([BLANK + b"{}", b"\n"]) == ["too long"]
    assert read([BLANK + b"{}"]) == ["too long"]


def test_of_a_line_that_never_ends_little_is_kept():
    splitter = Splitter()
    for _ in range(100):
        assert splitter.feed(LONG) == []
    assert len(splitter.rest) <= LINE_BYTES_MAX + 1
