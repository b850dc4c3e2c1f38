"""A flood of removals by mail is an alarm and no block, and one command takes it back (E-34)."""

import asyncio
import os
from datetime import timedelta

import pytest

from prefsvc.mail.mail import Mail
from prefsvc.mailbox.authenticating import Provenance
from prefsvc.mailbox.making import Arrived
from prefsvc.mailbox.taking import take
from prefsvc.metrics import MAIL_FLOODS
from prefsvc.origins import ORIGINS_MAX, Origins
from prefsvc.work.floods import watch_floods
from tests.mailbox.conftest import NEWS, mail
from tests.support.cast import ANN
from tests.support.register import act, record
from tests.support.watched import add_endpoint, notices

EVIL = "203.0.113.9"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"mail_flood_size": 20, "mail_flood_minutes": 60})


@pytest.fixture(autouse=True)
def stopped(service, clock):
    clock.stop(service.now())


async def flood(service, count, *, host=EVIL, domain="example.org", first=0, at_once=8):
    """Spoof removals of so many addresses; return how many were taken."""
    numbers = iter(range(first, first + count))
    taken = 0

    async def spoof():
        nonlocal taken
        for number in numbers:
            sender = f"victim{number}@{domain}"
            raw = mail(from_=sender, Message_ID=f"<{number}@evil.example.net>")
            read = await take(
                service, Arrived(Mail(raw), NEWS, host, sender, provenance=Provenance(peer=host))
            )
            taken += read.outcome == "opt_out"

    await asyncio.gather(*(spoof() for _ in range(at_once)))
    return taken


async def alarms(service):
    rows = await service.database.pool.fetch("select details from alarm order by raised_at")
    return [row["details"] for row in rows]


async def test_a_flood_is_told_once_with_its_origin_and_count_and_no_address(service, clock):
    await add_endpoint(service, "alarm")
    assert await flood(service, 25) == 25
    for _ in range(3):
        await watch_floods(service)
        clock.move(seconds=5)
    told = {one["origin"]: one for one in await alarms(service)}
    assert set(told) == {EVIL, "example.org"}
    assert (told[EVIL]["step"], told[EVIL]["mail_count"], told[EVIL]["sender"]) == (
        "mail_flood", 25, None,
    )  # fmt: skip
    sent = await notices(service)
    assert [kind for kind, _ in sent] == ["alarm.mail_flood"] * 2
    assert "victim" not in str(sent)
    assert "@" not in str(sent)
    assert MAIL_FLOODS.labels("acme")._value.get() == 2


async def test_fewer_are_no_flood(service):
    await flood(service, 19)
    await watch_floods(service)
    assert await alarms(service) == []
    assert MAIL_FLOODS.labels("acme")._value.get() == 0


async def test_they_must_come_within_the_time(service, clock):
    await flood(service, 15)
    await watch_floods(service)
    clock.move(minutes=61)
    await flood(service, 15, first=100)
    await watch_floods(service)
    assert await alarms(service) == []


async def test_one_that_has_ebbed_and_comes_again_is_told_again(service, clock):
    await flood(service, 20, domain="a.example.org")
    await watch_floods(service)
    clock.move(minutes=62)
    await watch_floods(service)
    assert MAIL_FLOODS.labels("acme")._value.get() == 0
    await flood(service, 20, first=100, domain="b.example.org")
    await watch_floods(service)
    assert [one["origin"] for one in await alarms(service)].count(EVIL) == 2


async def test_two_processes_count_together_and_tell_once(service, clock):
    other = Origins()
    await flood(service, 12)
    service.origins, first = other, service.origins
    await flood(service, 12, first=100)
    await watch_floods(service)
    assert await alarms(service) == []
    service.origins = first
    await asyncio.gather(watch_floods(service), watch_floods(service))
    await watch_floods(service)
    assert sorted(one["origin"] for one in await alarms(service)) == [EVIL, "example.org"]


async def test_what_cannot_be_written_down_is_counted_at_the_next_look(service):
    await flood(service, 20)
    await service.database.pool.execute("alter table prefsvc.mail_origin rename to away")
    with pytest.raises(Exception, match="mail_origin"):
        await watch_floods(service)
    await service.database.pool.execute("alter table prefsvc.away rename to mail_origin")
    await watch_floods(service)
    assert len(await alarms(service)) == 2


async def test_a_mail_that_comes_again_is_counted_once(service):
    for _ in range(3):
        await flood(service, 10)
    await watch_floods(service)
    assert await alarms(service) == []


def test_no_process_counts_more_origins_than_it_may(clock):
    origins = Origins()
    for number in range(ORIGINS_MAX + 5):
        origins.add(1, f"d{number}.example.org", clock())
    origins.add(1, "d0.example.org", clock())
    counts = origins.take()
    assert len(counts) == ORIGINS_MAX
    assert max(counts.values()) == 2
    assert origins.take() == {}


async def spoofed(service):
    return await service.database.pool.fetchval(
        "select count(*) from suppression where active and unproven"
    )


async def test_thousands_of_spoofed_removals_are_an_alarm_and_one_call_takes_them_back(
    service, client, keys, clock
):
    """So many where there is time for it: PREFSVC_TEST_FLOOD=10000; a tenth of them otherwise."""
    count = int(os.environ.get("PREFSVC_TEST_FLOOD", "1000"))
    service.settings = service.settings.model_copy(update={"mail_flood_size": 500})
    began = service.now()
    await record(service, act(service, ANN, source="one_click"))
    await record(service, act(service, "victim7@example.org", source="link"))
    assert await flood(service, count) == count
    await watch_floods(service)
    [told, _] = await alarms(service)
    assert told["mail_count"] >= 500  # the loop looked before all had come
    await record(service, act(service, "victim8@example.org", source="one_click"))
    clock.move(minutes=1)
    body = {
        "since": (began - timedelta(seconds=1)).isoformat(),
        "until": service.now().isoformat(),
        "origin": told["origin"],
    }
    reply = await client.post("/v1/brands/acme/mails/forged", headers=keys.operator, json=body)
    done = await reply.json()
    assert (done["requests"], done["lifted"], done["kept"]) == (count, count - 2, 2)
    assert await spoofed(service) == 0
    left = await service.database.pool.fetchval("select count(*) from suppression where active")
    assert left == 3


def test_what_a_forger_writes_for_a_domain_is_shown_harmlessly(clock):
    origins = Origins()
    origins.add(1, "x;rm -rf $HOME\0\ud800.example.org", clock())
    [seen] = origins.take()
    assert seen.origin == "x?rm -rf ?HOME??.example.org"
