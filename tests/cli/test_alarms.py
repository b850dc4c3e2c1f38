from datetime import timedelta

import pytest

from prefsvc import senders
from tests.support.register import act, record
from tests.support.watched import rounds

BRAND = "ducallier"


@pytest.fixture
def overdue(prefsvc, brands, work):
    """Let two senders, who were added long ago, be overdue."""

    async def trouble(service):
        brand = service.book.get(BRAND)
        async with service.database.transaction() as tx:
            for slug in ("first", "second"):
                await senders.add(tx, brand, slug, "email")
            await tx.conn.execute(
                "update sender set created_at = created_at - interval '1 year'",
            )
            await tx.conn.execute(
                "update installation set epoch_began_at = epoch_began_at - interval '1 year'"
            )
        long_ago = service.now() - timedelta(days=300)
        await record(service, act(service, "ann@example.org", brand=BRAND, received_at=long_ago))
        await rounds(service)

    work(trouble)


def test_alarms_are_listed_and_can_be_narrowed(prefsvc, overdue):
    ran = prefsvc("alarms", "list", BRAND)
    assert ran.code == 0
    lines = [line.split("  ") for line in ran.out.splitlines()]
    assert sorted(line[1] for line in lines) == ["first", "second"]
    assert {line[2] for line in lines} == {"overdue"}
    assert all(line[3].startswith("case ") for line in lines)
    narrowed = prefsvc("alarms", "list", BRAND, "--sender", "second").out
    assert [line.split("  ")[1] for line in narrowed.splitlines()] == ["second"]
    assert len(prefsvc("alarms", "list", BRAND, "--limit", "1").out.splitlines()) == 1


def test_a_brand_without_alarms_is_told_so(prefsvc, brands):
    ran = prefsvc("alarms", "list", "1-atelier")
    assert (ran.code, ran.out) == (0, "No alarm was raised yet.\n")


def test_a_sender_or_brand_that_is_not_there_is_refused(prefsvc, brands):
    for words in (("nobody",), (BRAND, "--sender", "nobody")):
        ran = prefsvc("alarms", "list", *words)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("prefsvc: ")
