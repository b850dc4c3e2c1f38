"""Reading a mail up to its lone dot, in whatever pieces it arrives."""

from hypothesis import given
from hypothesis import strategies as st

from prefsvc.mailbox.content import Content

LINES = st.lists(
    st.sampled_from([b"", b".", b"..", b"a", b".a", b"\n.\n", b"x\r", b"\n"]), max_size=8
)


def read(sent, sizes, *, bytes_max=1 << 20):
    content = Content(bytes_max=bytes_max)
    while sent:
        size = sizes[0] if sizes else len(sent)
        piece, sent, sizes = sent[:size], sent[size:], sizes[1:]
        if (rest := content.feed(piece)) is not None:
            return content, rest + sent
    return content, None


@given(LINES, st.lists(st.integers(1, 5)), st.sampled_from([b"", b"QUIT\r\n", b".\r\n"]))
def test_any_mail_is_read_as_it_was_written_however_it_is_cut(lines, sizes, behind):
    raw = b"".join(line + b"\r\n" for line in lines)
    whole = b"\r\n".join(b"." + line if line[:1] == b"." else line for line in raw.split(b"\r\n"))
    content, rest = read(whole + b".\r\n" + behind, sizes)
    assert content.octets == raw
    assert rest == behind


@given(st.integers(0, 30), st.lists(st.integers(1, 5)))
def test_what_is_too_large_is_said_and_the_end_is_found_all_the_same(length, sizes):
    content, rest = read(b"x" * length + b"\r\n.\r\nQUIT\r\n", sizes, bytes_max=12)
    assert content.is_too_large == (length + 2 > 12)
    assert rest == b"QUIT\r\n"


def test_of_a_mail_without_an_end_no_more_is_kept_than_the_limit():
    content = Content(bytes_max=1000)
    for _ in range(100):
        assert content.feed(b"x" * 999) is None
        assert len(content.octets) <= 1000 + len(b"\r\n.\r")
