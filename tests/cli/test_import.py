"""`prefsvc import`: the opt-outs that a company has already, each recorded once, nothing lifted."""

import csv
import gzip
import hashlib
import io
import json
import os
import pty
import sys
from datetime import UTC, datetime, timedelta

import pytest

from prefsvc.cli.progress import Progress
from tests.support.cast import ANN, ANNS_PHONE, BOB

ATELIER = "1-atelier"
EMPTIED = (
    "import_refusal", "import_place", "import", "ledger_checkpoint", "suppression", "evidence",
    "preference_event", "address", "feed_head",
)  # fmt: skip


@pytest.fixture(autouse=True)
def emptied(work, brands):
    yield

    async def empty(service):
        for table in EMPTIED:
            await service.database.pool.execute(f"delete from {table}")

    work(empty)


@pytest.fixture
def rows(work):
    """Read what a query finds."""

    def read(query, *values):
        async def fetch(service):
            return [tuple(row) for row in await service.database.pool.fetch(query, *values)]

        return work(fetch)

    return read


@pytest.fixture
def bring(prefsvc, tmp_path):
    """Import a text as a file."""

    def run(text, *words, name="list.csv", **settings):
        file = tmp_path / name
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return prefsvc("import", file, "--brand", ATELIER, *words, **settings)

    return run


EVENTS = "select count(*) from preference_event"
STATES = "select channel, scope, topic, reason, active from suppression order by channel, reason"


def test_a_list_is_recorded_and_counted(bring, rows, prefsvc):
    ran = bring(
        "email,status,created_at\n"
        f"{ANN},unsubscribed,2024-03-14T12:00:00Z\n"
        f"{BOB},spam complaint,2024-03-14T12:00:00Z\n"
        f"{ANN},unsubscribed,2024-03-14T12:00:00Z\n"
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "email: 2 new, 1 known already\n"
    assert rows(STATES) == [
        ("email", "channel", "", "complaint", True), ("email", "channel", "", "opt_out", True)
    ]  # fmt: skip
    assert prefsvc("ledger", "verify").code == 0


def test_its_own_time_counts_and_the_time_of_the_import_is_kept_apart(bring, rows):
    before = datetime.now(UTC)
    bring(f"email,said_at,received_at\n{ANN},2024-03-14T12:00:00Z,2024-03-15T12:00:00Z\n")
    [(sent, received, recorded, deadline)] = rows(
        "select sent_at, received_at, recorded_at, deadline_at from preference_event"
    )
    assert sent == datetime(2024, 3, 14, 12, tzinfo=UTC)
    assert received == datetime(2024, 3, 15, 12, tzinfo=UTC)
    assert recorded >= before
    assert timedelta(0) < deadline - sent < timedelta(days=30)


def test_evidence_names_the_import_and_the_line_and_never_the_address(bring, rows):
    text = f"email,reason,id\n{BOB},,\n{ANN},too many,C-17\n"
    bring(text, "--by", "carol")
    [(import_id, name, by, reading)] = rows("select import_id, name, begun_by, reading from import")
    assert by == "carol"
    assert name.startswith("sha256-")
    assert reading == {"reason": "opt_out", "time_zone": "UTC"}
    found = [row[0] for row in rows("select content from evidence")]
    assert {"import": str(import_id), "line": 2} in found
    assert {"import": str(import_id), "line": 3, "reason": "too many", "reference": "C-17"} in found


def test_the_same_file_again_changes_nothing(bring, rows):
    text = f"email\n{ANN}\n{BOB}\nnobody\n"
    assert bring(text).code == 1
    before = rows(EVENTS)
    again = bring(text, name="a copy.csv")
    assert again.code == 1
    assert again.out.startswith("This was imported already, on ")
    assert "email: 2 new" in again.out
    assert "refused: 1 invalid_address" in again.out
    assert rows(EVENTS) == before


def test_a_list_that_overlaps_another_adds_what_is_new(bring, rows):
    bring(f"email,created\n{ANN},2024-03-14\n")
    assert bring(f"email,created\n{ANN},2024-03-14\n{BOB},2024-03-14\n").out == (
        "email: 1 new, 1 known already\n"
    )
    assert rows(EVENTS) == [(2,)]


def test_an_import_never_makes_a_deadline_later(bring, rows):
    deadline = "select deadline_at from suppression"
    bring(f"email,created\n{ANN},2024-03-14\n")
    [before] = rows(deadline)
    bring(f"email,created\n{ANN},2024-05-14\n")
    assert rows(deadline) == [before]
    bring(f"email,created\n{ANN},2024-02-14\n")
    assert rows(deadline) < [before]


@pytest.mark.parametrize("word", ["subscribed", "active", "opt-in", "resubscribed"])
def test_nothing_in_a_list_lifts_anything(bring, rows, word):
    bring(f"email\n{ANN}\n")
    ran = bring(f"email,status,created\n{ANN},{word},2030-01-01\n")
    assert ran.code == 1
    assert "refused: 1 not_an_opt_out" in ran.out
    assert rows(STATES) == [("email", "channel", "", "opt_out", True)]
    assert rows("select distinct act from preference_event") == [("opt_out",)]


def test_refused_rows_are_written_with_their_line_and_why(bring, tmp_path):
    refused = tmp_path / "refused.csv"
    ran = bring(
        f'email;status\n{ANN};unsubscribed\nnobody;unsubscribed\n{BOB};"gold;\n{BOB};subscribed\n',
        "--refused", refused,
    )  # fmt: skip
    assert (ran.code, ran.err) == (1, "")
    assert list(csv.reader(io.StringIO(refused.read_text()))) == [
        ["line", "refused", "email", "status"],
        ["3", "invalid_address", "nobody", "unsubscribed"],
        ["4", "unclosed_quote", f'{BOB};"gold;'],
        ["5", "not_an_opt_out", BOB, "subscribed"],
    ]
    assert refused.stat().st_mode & 0o077 == 0


def test_refused_rows_can_be_had_later_and_never_overwrite_the_list(bring, tmp_path, rows):
    text = f"email\n{ANN}\nnobody\n"
    bring(text)
    refused = tmp_path / "refused.csv"
    assert bring(text, "--refused", refused).code == 1
    assert refused.read_text() == "line,refused,email\n3,invalid_address,nobody\n"
    assert rows(EVENTS) == [(1,)]
    ran = bring(text, "--refused", tmp_path / "list.csv")
    assert (ran.code, ran.out) == (1, "")
    assert (tmp_path / "list.csv").read_text() == text


def test_refused_rows_are_named_without_what_stood_in_them(bring):
    ran = bring(f"email\nnobody.{ANN}, {BOB}\n")
    assert "nobody" not in ran.out + ran.err
    assert "--refused" in ran.err


def test_a_dry_run_says_the_same_and_records_nothing(bring, rows, work):
    bring(f"email\n{BOB}\n")
    before = rows(EVENTS)
    text = f"email,status\n{ANN},unsubscribed\n{ANN},unsubscribed\n{BOB},stop\n{BOB},subscribed\n"
    dry = bring(text, "--dry-run")
    assert dry.out.endswith("Nothing was recorded (dry run).\n")
    assert rows(EVENTS) == before
    assert len(rows("select name from import")) == 1
    told, _, _ = dry.out.partition("Nothing")
    assert bring(text).out == told


def test_a_topic_is_found_by_its_slug_or_name_and_one_that_is_gone_widens(bring, rows, work):
    async def topics(service):
        return service.book.get(ATELIER).brand.topics

    topic = next(one for one in work(topics) if one.can_be_opted_out_of and "email" in one.channels)
    ran = bring(
        f"email,group\n{ANN},{topic.slug.upper()}\n{BOB},{topic.name}\ncarol@example.org,gone\n"
        "dave@example.org,*\n"
    )
    assert "note: 1 of a topic that the brand does not have" in ran.out
    assert rows("select scope, topic, count(*) from suppression group by 1, 2 order by 1, 2") == [
        ("channel", "", 2), ("topic", topic.slug, 2)
    ]  # fmt: skip


def test_a_hashed_list_suppresses_those_whose_address_is_not_known(bring, rows, work, prefsvc):
    digest = hashlib.sha256(ANN.encode()).hexdigest()
    assert bring(f"sha256\n{digest}\n", "--channel", "email").out.startswith("email: 1 new\n")
    [(canonical, sealed)] = rows("select canonical, sealed_sha256 from address")
    assert canonical is None
    assert bytes.fromhex(digest) not in sealed
    assert bring(f"email\n{ANN}\n").out.startswith("email: 1 known already\n")
    assert prefsvc("ledger", "verify").code == 0


def test_a_number_is_stopped_in_its_other_spelling_too(bring, rows):
    bring("phone\n+5215512345678\n")
    assert rows("select distinct reason from suppression order by 1") == [("alias",), ("opt_out",)]


def test_gzip_and_lines_of_json_are_lists_too(bring):
    line = json.dumps({"phone": ANNS_PHONE, "reason": "STOP"})
    assert bring(gzip.compress(line.encode()), name="list.ndjson.gz").out.startswith("sms: 1 new\n")


def test_standard_input_is_a_list_and_a_name_makes_it_one_that_can_go_on(
    prefsvc, monkeypatch, rows
):
    def piped(text, *words):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return prefsvc("import", "-", "--brand", ATELIER, *words)

    text = f"email\n{ANN}\n{BOB}\n"
    assert piped(text, "--name", "spring").out.startswith("email: 2 new\n")
    assert piped(text, "--name", "spring").out.startswith("email: 2 new\n")
    assert rows(EVENTS) == [(2,)]
    for other in (text + "carol@example.org\n", f"email\n{BOB}\n{ANN}\n"):
        ran = piped(other, "--name", "spring")
        assert (ran.code, ran.out) == (1, "")
        assert "another name" in ran.err
    assert piped(text, "--name", "spring", "--scope", "brand").code == 1
    assert rows(EVENTS) == [(2,)]


def test_a_refusal_of_the_whole_file_is_a_sentence(bring, prefsvc, rows):
    for text, word in (("", "nothing"), ("name\nAnn\n", "--column"), (b"PK\x03\x04xx", "CSV")):
        ran = bring(text)
        assert (ran.code, ran.out) == (1, "")
        assert word in ran.err
    ran = prefsvc("import", "list that is not there.csv", "--brand", ATELIER)
    assert (ran.code, "no such file" in ran.err) == (1, True)
    assert "--brand" in prefsvc("import", "-").err
    assert rows(EVENTS) == [(0,)]


@pytest.mark.parametrize(
    "words",
    [
        ("--column", "nonsense=x"), ("--column", "address"), ("--delimiter", "::"),
        ("--encoding", "x"), ("--time-zone", "Mars"), ("--name", ANN),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_anything_is_read(bring, words):
    ran = bring(f"email\n{ANN}\n", *words)
    assert (ran.code, ran.out) == (1, "")


def test_what_was_read_before_a_file_broke_off_counts_and_the_whole_file_goes_on(bring, rows):
    text = "email\n" + "".join(f"person{n}@example.com\n" for n in range(5000))
    packed = gzip.compress(text.encode())
    ran = bring(packed[:-40], "--name", "spring")
    assert (ran.code, "cut off" in ran.err) == (1, True)
    [(recorded,)] = rows(EVENTS)
    assert 0 < recorded < 5000
    assert bring(packed, "--name", "spring").out.startswith("email: 5,000 new\n")
    assert rows(EVENTS) == [(5000,)]


def test_several_processes_record_a_list_as_one_does(bring, rows, prefsvc, tmp_path):
    text = "email,status\n" + "".join(
        f"person{n}@example.com,{'subscribed' if n % 10 == 0 else 'stop'}\n" for n in range(3000)
    )
    refused = tmp_path / "refused.csv"
    ran = bring(text, "--processes", "3", "--refused", refused)
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("email: 2,700 new\nrefused: 300 not_an_opt_out\n")
    assert len(refused.read_text().splitlines()) == 301
    assert rows(EVENTS) == [(2700,)]
    assert prefsvc("ledger", "verify").code == 0


def test_a_terminal_is_shown_the_rate_and_the_time_left(tmp_path):
    assert Progress("lines", 1000).line(250, 5000, 2.0) == (
        "[######                  ]  25%  5,000 lines, 2,500 a second, 0:00:06 left"
    )
    assert Progress("lines", None).line(250, 5000, 2.0) == "5,000 lines, 2,500 a second"
    here, there = pty.openpty()
    with os.fdopen(there, "w") as terminal:
        shown = Progress("lines", 100, out=terminal)
        shown.show(50, 7)
        shown.clear()
        assert b"50%" in os.read(here, 1000)
    os.close(here)
