"""Lists as they come: every dialect, every kind of damage, never more than a line in memory."""

import csv
import gzip
import hashlib
import io
import json
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.errors import ImportDiffers, UnreadableImport
from prefsvc.imports.given import reading_of
from prefsvc.imports.lines import LINE_BYTES_MAX
from prefsvc.imports.reading import Reader
from prefsvc.imports.rows import Refused, Row, Share
from tests.support.cast import ANN, ANNS_PHONE, BOB

KEYED = Share(lambda _channel, sha256: sha256[:16])
DIGEST = hashlib.sha256(ANN.encode()).hexdigest()


def reader(expected=None, *, columns=None, all_opted_out=False, **said):
    reading = reading_of(said, columns=columns or {}, all_opted_out=all_opted_out)
    return Reader(reading, KEYED, expected)


def read(octets, size=1 << 16, **said):
    """Read a list in pieces of a size; return its rows and its refused rows."""
    one = reader(**said)
    octets = octets.encode() if isinstance(octets, str) else octets
    every = [
        each for at in range(0, len(octets), size) for each in one.feed(octets[at : at + size])
    ]
    every += one.end()
    rows = [each for each in every if isinstance(each, Row)]
    return rows, [(each.line, each.why) for each in every if isinstance(each, Refused)]


def addresses(octets, **said):
    rows, refused = read(octets, **said)
    assert not refused
    return [row.address.canonical for row in rows]


@pytest.mark.parametrize(
    "text",
    [
        f"email,reason\n{ANN},left\n{BOB},left\n",
        f"email;reason\r\n{ANN};left\r\n{BOB};left",
        f"email\treason\r{ANN}\tleft\r{BOB}\tleft\r",
        f"email|reason\n\n{ANN}|left\n   \n{BOB}|left\n\n",
        f'"E-Mail","Reason"\n"{ANN}","left, for good"\n"{BOB}","said ""no"""\n',
        f"sep=;\nemail;reason\n{ANN};left\n{BOB};left\n",
        f"\ufeffemail,reason\n{ANN},left\n{BOB},left\n",
        f'reason,email\n"left\nwith a line\nof its own",{ANN}\nleft,{BOB}\n',
        f"{ANN}\n{BOB}\n",
        f'"{ANN}"\n"{BOB}"',
        f"email,reason,,\n{ANN},left,,\n{BOB},,,\n",
        f"email,reason\n{ANN},left,,,\n{BOB}\n",
        f'{{"email": "{ANN}"}}\n\n{{"reason": "left", "email": "{BOB}"}}\n',
        f'{{"recipient": {{"email": "{ANN}"}}, "EmailAddress": "{ANN}"}}\n{{"email": "{BOB}"}}',
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_a_list_of_any_dialect_is_read_alike_in_pieces_of_any_size(text, size):
    assert [row.address.canonical for row in read(text, size)[0]] == [ANN, BOB]
    assert read(text, size)[1] == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_known_by_its_first_octets(encoding):
    assert addresses(f"email\njörg@example.org\n{BOB}\n".encode(encoding)) == [
        "jörg@example.org", BOB
    ]  # fmt: skip


def test_a_line_that_is_no_utf_8_is_windows_1252_and_the_others_stay_utf_8():
    lines = [b"email", "jörg@example.org".encode(), "jürg@example.org".encode("cp1252")]
    assert addresses(b"\n".join(lines)) == ["jörg@example.org", "jürg@example.org"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "latin-1", "shift_jis", "iso8859-5"])
def test_an_encoding_that_is_given_is_used(encoding):
    text = f"email,reason\n{ANN},left\n"
    assert addresses(text.encode(encoding), encoding=encoding) == [ANN]


def test_gzip_is_undone_also_in_members_and_padded():
    text = f"email\n{ANN}\n{BOB}\n".encode()
    packed = gzip.compress(text[:9]) + gzip.compress(text[9:]) + b"\0" * 512
    for size in (1, 1 << 16):
        assert [row.address.canonical for row in read(packed, size)[0]] == [ANN, BOB]


def test_a_gzip_that_is_cut_off_or_damaged_is_refused():
    packed = gzip.compress(f"email\n{ANN}\n".encode() * 50)
    for harmed in (packed[:-9], packed[:20] + b"!" * 99):
        with pytest.raises(UnreadableImport, match="gzip"):
            read(harmed)


def test_a_bomb_of_gzip_takes_no_more_memory_than_a_line_may():
    packer = io.BytesIO()
    with gzip.GzipFile(fileobj=packer, mode="wb", compresslevel=9) as out:
        out.write(f"email\n{ANN}\n".encode())
        for _ in range(256):
            out.write(b"x" * (1 << 20))
        out.write(f"\n{BOB}\n".encode())
    tracemalloc.start()
    try:
        rows, refused = read(packer.getvalue(), 1 << 10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [row.address.canonical for row in rows] == [ANN, BOB]
    assert refused == [(3, "line_too_long")]
    assert peak < 16 << 20


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("over", [1, 2, LINE_BYTES_MAX])
def test_a_line_that_is_too_long_costs_itself_alone(end, over):
    long = "x" * (LINE_BYTES_MAX + over)
    rows, refused = read(end.join(["email", ANN, long, BOB, ""]), 1 << 12)
    assert [row.line for row in rows] == [2, 4]
    assert refused == [(3, "line_too_long")]


def test_a_quote_that_is_never_closed_costs_one_row():
    text = f'email,reason\n{ANN},"left\n{BOB},left\n' + "".join(
        f'person{n}@example.com,"fine, thanks"\n' for n in range(200)
    )
    rows, refused = read(text)
    assert refused == [(2, "unclosed_quote")]
    assert len(rows) == 201


def test_the_last_quote_that_is_never_closed_costs_its_row():
    rows, refused = read(f'email,reason\n{ANN},left\n{BOB},"left\n')
    assert ([row.line for row in rows], refused) == ([2], [(3, "unclosed_quote")])


def test_a_quote_within_a_field_is_only_a_sign():
    assert addresses(f'email,reason\n{ANN},the 5" screen\n{BOB},so "good"\n') == [ANN, BOB]


def test_a_row_with_more_fields_than_columns_is_refused():
    assert read(f"email,reason\n{ANN},left,and,more\n{BOB},left\n")[1] == [(2, "too_many_fields")]


@pytest.mark.parametrize(
    "line", ["{", '{"email": 1e999', '{"email": "\\ud800"}', "[1]", "null", "x"]
)
def test_a_line_that_is_no_object_is_refused_and_the_others_stand(line):
    rows, refused = read(f'{{"email": "{ANN}"}}\n{line}\n{{"email": "{BOB}"}}')
    assert [row.line for row in rows] == [1, 3]
    assert refused[0][0] == 2


def test_objects_that_name_no_address_are_refused_one_by_one():
    text = f'{{"phone": "{ANNS_PHONE}", "email": "{ANN}"}}\n{{"x": 1}}\n{{"email": "{BOB}"}}\n'
    assert read(text)[1] == [(1, "channel_missing"), (2, "address_missing")]
    assert len(read(text, channel="sms")[0]) == 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "nothing"),
        ("\n\n  \n", "nothing"),
        ("sep=;\n", "nothing in this file but names"),
        ("name,reason\nAnn,left\n", "--column"),
        (f"{ANN},left\n{BOB},left\n", "--header"),
        (f'[{{"email": "{ANN}"}}]', "jq"),
        (f"email,E-Mail,email\n{ANN},{ANN},{BOB}\n", "Two columns"),
        (f"email,phone\n{ANN},{ANNS_PHONE}\n", "--channel"),
        (f"Email Address,OPTIN_TIME,LEID\n{ANN},2020-01-01 00:00:00,1\n", "--all-opted-out"),
        (b"PK\x03\x04" + b"x" * 99, "spreadsheet"),
        ("x" * (LINE_BYTES_MAX + 1) + f"\n{ANN}", "cannot be read"),
    ],
)
def test_a_file_that_is_no_list_is_refused_whole_with_what_to_do(text, word):
    with pytest.raises(UnreadableImport, match=word) as refusal:
        read(text)
    assert ANN not in str(refusal.value)


def test_a_list_of_nobody_is_a_list():
    assert read("email,reason\n") == ([], [])


def test_names_of_columns_can_be_given_for_a_file_and_for_one_that_has_none():
    text = f"{ANN};5.1.2024\n{BOB};6.1.2024\n"
    rows, _ = read(text, header="Wer,Wann", columns={"address": "wer", "said_at": "Wann"})
    assert [row.said_at.day for row in rows] == [5, 6]
    assert [row.channel for row in rows] == ["email", "email"]


def test_a_column_can_be_declared_to_be_none():
    text = f"email,status\n{ANN},gold\n"
    assert read(text)[1] == [(2, "unknown_status")]
    assert addresses(text, columns={"status": ""}) == [ANN]


def test_a_hashed_list_is_read_from_its_own_column_or_in_place_of_addresses():
    for text in (f"sha256\n{DIGEST}\n", f"email\n{DIGEST.upper()}\n"):
        [row], _ = read(text, channel="email")
        assert (row.address, row.sha256.hex()) == (None, DIGEST)
    assert read(f"sha256\n{DIGEST}\n")[1] == [(2, "channel_missing")]
    assert read("sha256\nabc\n", channel="email")[1] == [(2, "invalid_sha256")]


def test_a_snapshot_of_prefsvc_itself_is_a_list():
    line = {
        "channel": "email", "address": ANN, "sha256": DIGEST, "scope": "brand", "topic": None,
        "reason": "complaint", "since": "2024-05-01T00:00:00.000001Z",
        "deadline_at": "2024-05-11T00:00:00Z",
    }  # fmt: skip
    end = {"end": True, "count": 1, "lines_sha256": DIGEST, "cursor": "x", "positions": []}
    [row], refused = read("\n".join(map(json.dumps, (line, end))))
    assert (row.scope, row.reason, row.said_at.microsecond) == ("brand", "complaint", 1)
    assert not refused
    as_csv = ",".join(line) + "\n" + ",".join(str(v or "") for v in line.values())
    [again], refused = read(f"{as_csv}\n#end,1,{DIGEST},x\n")
    assert replace(again, line=1) == replace(row, line=1, topic=None, told=again.told)
    assert not refused


def test_the_same_list_goes_on_and_another_does_not():
    text = f"email\n{ANN}\n{BOB}\ncarol@example.org\n".encode()
    first = reader()
    list(first.feed(text[:30]))
    assert first.reached[0] == 2
    again = reader(first.reached)
    assert len([*again.feed(text), *again.end()]) == 3
    for other in (text.replace(b"ann", b"eve"), text[:7]):
        differing = reader(first.reached)
        with pytest.raises(ImportDiffers):
            _ = [*differing.feed(other), *differing.end()]


cells = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@given(st.lists(st.tuples(cells, cells), max_size=20), st.sampled_from(",;\t|"), st.integers(1, 99))
def test_what_a_spreadsheet_writes_is_read_back_row_for_row(rows, delimiter, size):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["email", "reason"])
    for number, (_, reason) in enumerate(rows):
        writer.writerow([f"person{number}@example.com", reason])
    octets = out.getvalue().encode()
    found, refused = read(octets, size, columns={"reason": "", "source": "reason"})
    # Line breaks of other kinds count as ends of lines, and very long reasons are not rows.
    assert len(found) + len(refused) == len(rows)
    assert all(why == "unclosed_quote" for _, why in refused)


@given(st.binary(max_size=2000), st.integers(1, 300))
def test_no_octets_whatever_do_more_than_be_refused(octets, size):
    try:
        rows, refused = read(b"email,created_at,status,reason\n" + octets, size)
    except UnreadableImport:
        return
    assert all(row.address for row in rows)
    assert all(line > 1 for line, _ in refused)


@given(st.binary(max_size=300))
def test_no_octets_whatever_break_a_whole_file(octets):
    for said in ({}, {"format": "ndjson"}, {"encoding": "utf-16"}):
        try:
            read(octets, 11, **said)
        except UnreadableImport:
            continue
