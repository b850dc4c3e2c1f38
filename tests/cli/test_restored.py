import argparse

import pytest

from prefsvc import feeds
from prefsvc.cli import restored
from prefsvc.errors import CursorFromAnotherHistory
from prefsvc.settings import Settings


@pytest.fixture
def say_restored(prefsvc, capsys):
    parser = argparse.ArgumentParser()
    restored.add_to(parser.add_subparsers())
    given = parser.parse_args(["restored"])

    def run():
        assert given.run(Settings(), given) == 0
        return capsys.readouterr().out

    return run


def test_after_a_restore_cursors_from_before_are_refused(work, brands, say_restored):
    async def head(service):
        async with service.database.read() as tx:
            return await feeds.head(tx, service.book.by_slug[brands[0]])

    async def read_from(service):
        async with service.database.read() as tx:
            await feeds.checked(tx, service.book.by_slug[brands[0]], before)

    before = work(head)
    work(read_from)
    assert "A new feed epoch has begun" in say_restored()
    with pytest.raises(CursorFromAnotherHistory):
        work(read_from)
    assert work(head).epoch != before.epoch


def test_every_restore_begins_an_epoch_of_its_own(work):
    first, second = work(restored.begin_epoch), work(restored.begin_epoch)
    assert first != second
