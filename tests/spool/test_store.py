import os
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from prefsvc.errors import SpoolUnusable
from prefsvc.spool.store import FILE, Standing, Store

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LARGE = 1 << 30


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def store(folder):
    store = Store(folder, bytes_max=LARGE)
    yield store
    store.close()


def keep(store, *contents, at=NOW):
    store.keep([(at, content) for content in contents])


def fill(store):
    for _ in range(100):
        keep(store, b"x" * 10_000)


def contents(kept):
    return [one.content for one in kept]


def test_items_are_given_out_in_the_order_in_which_they_were_kept(store):
    keep(store, b"b", b"a")
    keep(store, b"c", at=NOW - timedelta(days=1))
    assert contents(store.first(2)) == [b"b", b"a"]
    assert contents(store.first(9)) == [b"b", b"a", b"c"]


def test_what_was_given_back_is_gone_from_the_file(store, folder):
    keep(store, b"ann@example.org", b"bob@example.org")
    ann = store.first(1)[0]
    store.given_back([ann.item_id])
    assert contents(store.first(9)) == [b"bob@example.org"]
    store.close()  # writes the log back
    assert b"ann@" not in (folder / FILE).read_bytes()


def test_what_is_set_aside_holds_up_nothing_and_can_be_tried_again(store):
    keep(store, b"a", b"b")
    store.set_aside(store.first(1)[0].item_id, "UnknownBrand")
    assert contents(store.first(9)) == [b"b"]
    [aside] = store.set_aside_ones(9)
    assert (aside.content, aside.fault) == (b"a", "UnknownBrand")
    assert store.standing() == Standing(1, NOW, 1)
    assert store.try_again() == 1
    assert contents(store.first(9)) == [b"a", b"b"]


def test_the_oldest_that_waits_is_known(store):
    assert store.standing() == Standing(0, None, 0)
    keep(store, b"a", at=NOW - timedelta(hours=1))
    keep(store, b"b")
    assert store.standing() == Standing(2, NOW - timedelta(hours=1), 0)


def test_nobody_else_may_read_it(store, folder):
    keep(store, b"a")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in folder.iterdir():
        assert not stat.S_IMODE(file.stat().st_mode) & 0o077


def test_every_commit_is_flushed(store):
    assert store._db.execute("pragma synchronous").fetchone() == (2,)  # FULL


def test_a_number_is_never_given_twice(store):
    keep(store, b"a", b"b")
    last = store.first(9)[-1].item_id
    store.given_back([one.item_id for one in store.first(9)])
    keep(store, b"c")
    assert store.first(1)[0].item_id > last


def test_a_full_file_keeps_what_it_has_and_takes_no_more(folder):
    store = Store(folder, bytes_max=100_000)
    keep(store, b"first")
    with pytest.raises(SpoolUnusable, match="SQLITE_FULL"):
        fill(store)
    kept = contents(store.first(1000))
    assert kept[0] == b"first"
    store.given_back([one.item_id for one in store.first(1000)])
    keep(store, b"again")
    assert contents(store.first(9)) == [b"again"]
    store.close()


def test_several_at_once_are_kept_all_or_none(store):
    with pytest.raises(SpoolUnusable):
        store.keep([(NOW, b"a"), (NOW, None)])
    assert store.first(9) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SpoolUnusable, match="its rights"):
        Store(tmp_path / "spool", bytes_max=LARGE)


def test_what_is_no_spool_is_refused_and_not_overwritten(folder):
    folder.mkdir()
    (folder / FILE).write_bytes(b"something else" * 100)
    with pytest.raises(SpoolUnusable, match="SQLITE_NOTADB"):
        Store(folder, bytes_max=LARGE)
    assert (folder / FILE).read_bytes().startswith(b"something else")


KEEPING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from prefsvc.spool.store import Store

store = Store(Path(sys.argv[1]), bytes_max=1 << 30)
for number in range(100_000):
    store.keep([(datetime.now(UTC), str(number).encode())])
    print(number, flush=True)
"""


def test_what_was_kept_when_the_process_is_killed_is_there(folder):
    command = [sys.executable, "-c", KEEPING, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = [int(process.stdout.readline()) for _ in range(50)]
        process.kill()
        told += [int(line) for line in process.stdout.read().split()]
    store = Store(folder, bytes_max=LARGE)
    kept = [int(content) for content in contents(store.first(1_000_000))]
    assert kept == list(range(len(kept)))  # in order, and each once
    assert set(told) <= set(kept)
    store.close()


def test_two_processes_may_keep_items_at_the_same_time(folder, store):
    other = Store(folder, bytes_max=LARGE)
    for _ in range(20):
        keep(store, b"one")
        keep(other, b"other")
    assert contents(store.first(99)) == [b"one", b"other"] * 20
    other.close()


def test_its_words_repeat_nothing_that_is_kept(store):
    store._db.execute("drop table item")
    with pytest.raises(SpoolUnusable) as refused:
        keep(store, b"ann@example.org")
    assert "ann@" not in str(refused.value)
    assert isinstance(refused.value.__cause__, sqlite3.Error)
