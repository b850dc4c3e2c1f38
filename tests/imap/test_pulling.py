"""Mail pulled from a real IMAP server: what it asks for is durable before it is marked."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from prefsvc import metrics
from prefsvc.outward import imap
from tests.imap.cast import LETTER, NAME, acme_with, apply, change, count, people, pulling
from tests.mailbox.conftest import mail
from tests.support import dovecot
from tests.support.cast import ANN, BOB

pytestmark = dovecot.needed

TAKEN, SEEN = "PrefsvcTaken", "\\Seen"


async def test_what_lies_there_is_taken_and_what_asks_nothing_stays_unread(service, box, may_mail):
    box.deliver(mail(), LETTER)
    await box.set_up()
    async with pulling(service) as pull:
        await pull.through()
    assert not await may_mail()
    assert await may_mail(BOB)
    assert box.flags() == [{TAKEN, SEEN}, {TAKEN}]


async def test_new_mail_is_taken_when_the_server_announces_it(service, box, may_mail):
    await box.set_up()
    async with pulling(service) as pull:
        await pull.through()
        await pull.after(lambda: box.deliver(mail()))
        assert not await may_mail()
        await pull.after(lambda: box.deliver(LETTER))
    assert box.flags() == [{TAKEN, SEEN}, {TAKEN}]


async def test_a_server_that_announces_nothing_is_asked(service, box, may_mail):
    with dovecot.serving(capability="IMAP4rev1 UIDPLUS AUTH=PLAIN") as silent:
        box = box.at(silent)
        await box.set_up()
        change(service, mailbox_poll_seconds=0.05)
        async with pulling(service) as pull:
            await pull.through(2)
            await asyncio.to_thread(box.deliver, mail())
            before = pull.rests
            await pull.through(before + 2)
        assert box.flags() == [{TAKEN, SEEN}]
    assert not await may_mail()


@pytest.mark.parametrize("field", ["Delivered_To", "X_Original_To", "To"])
async def test_a_token_stands_in_the_address_that_it_was_sent_to(
    service, box, may_mail, short_token, field
):
    token = await short_token(topic="news")
    to = f"<u+{token}@anything.example.net>"
    box.deliver(mail("", subject="", from_=BOB, **{field: to}))
    await box.set_up()
    async with pulling(service) as pull:
        await pull.through()
    assert not await may_mail(topic="news")
    assert await may_mail(topic="offers")
    assert await may_mail(BOB)


async def test_a_mail_to_two_tokens_stops_both(service, box, may_mail, short_token):
    tokens = [await short_token(topic=topic) for topic in ("news", "offers")]
    to = ", ".join(f"u+{token}@mail.acme.example.com" for token in tokens)
    box.deliver(mail("", subject="", to=to))
    await box.set_up()
    async with pulling(service) as pull:
        await pull.through()
    assert not await may_mail(topic="news")
    assert not await may_mail(topic="offers")


async def test_the_clock_runs_from_when_the_mail_came_in(service, box):
    arrived_at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    box.deliver(mail(), at=arrived_at)
    await box.set_up()
    async with pulling(service) as pull:
        await pull.through()
    row = await service.database.pool.fetchrow(
        "select received_at, deadline_at from preference_event"
    )
    assert row["received_at"] == arrived_at
    assert row["deadline_at"] < arrived_at + timedelta(days=10, seconds=1)


async def test_what_lay_there_before_a_later_opt_in_lifts_nothing(
    service, box, may_mail, client, keys
):
    box.deliver(mail(), at=datetime.now(UTC) - timedelta(days=2))
    said = {"channel": "email", "address": ANN, "source": "phone", "evidence": {"by": "Olive"}}
    said["received_at"] = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    reply = await client.post("/v1/brands/acme/opt-ins", headers=keys.operator, json=said)
    assert reply.status < 300, await reply.text()
    await box.set_up()
    async with pulling(service) as pull:
        await pull.through()
    assert await may_mail()
    assert await count(service) == 2


async def test_what_is_taken_again_counts_once(service, box):
    box.deliver(mail())
    await box.set_up()
    async with pulling(service) as pull:
        await pull.through()
        with box.owner() as owner:
            owner.remove_flags(owner.search(), [TAKEN, SEEN])
        await pull.after(lambda: box.deliver(LETTER))
    assert box.flags() == [{TAKEN, SEEN}, {TAKEN}]
    assert await count(service) == 1


async def test_two_that_pull_at_once_count_each_mail_once(service, box):
    box.deliver(*people(30))
    await box.set_up()
    async with pulling(service) as one, pulling(service) as another:
        await asyncio.gather(one.through(), another.through())
    assert await count(service) == 30
    assert box.flags() == [{TAKEN, SEEN}] * 30


async def test_a_mailbox_of_thousands_is_taken_in_parts_the_newest_first(service, box, monkeypatch):
    monkeypatch.setattr(imap, "_SEARCHED_AT_ONCE", 50)
    change(service, mailbox_batch_max=70)
    box.deliver(*people(400))
    await box.set_up()
    async with pulling(service) as pull:
        await pull.through()
    assert await count(service) == 400
    assert box.flags() == [{TAKEN, SEEN}] * 400
    first = await service.database.pool.fetch(
        "select canonical from preference_event join address using (bucket, address_key)"
        " order by recorded_at limit 70"
    )
    newest = {f"person{n}@example.org" for n in range(330, 400)}
    assert {one["canonical"] for one in first} == newest


async def test_of_a_large_mail_the_beginning_counts(service, box, may_mail):
    change(service, mail_bytes_max=10_000)
    box.deliver(mail("please unsubscribe me\r\n" + "x" * 900 * 70), LETTER)
    await box.set_up()
    before = metrics.MAILBOX_MAILS.labels(NAME, "cut")._value.get()
    async with pulling(service) as pull:
        await pull.through()
    assert not await may_mail()
    assert metrics.MAILBOX_MAILS.labels(NAME, "cut")._value.get() == before + 1


async def test_what_arrived_before_the_day_is_passed_over(service, box, may_mail):
    box.deliver(mail(), at=datetime.now(UTC) - timedelta(days=40))
    box.deliver(mail(from_=BOB))
    await box.set_up(since=(datetime.now(UTC) - timedelta(days=10)).date().isoformat())
    async with pulling(service) as pull:
        await pull.through()
    assert await may_mail()
    assert not await may_mail(BOB)
    assert box.flags() == [set(), {TAKEN, SEEN}]


async def test_taken_mail_may_be_moved(service, box, may_mail):
    box.deliver(mail(), LETTER)
    await box.set_up(when_taken="move", taken_folder="Täken mail")
    async with pulling(service) as pull:
        await pull.through()
        await pull.after(lambda: box.deliver(mail(from_=BOB)))
    assert not await may_mail()
    assert not await may_mail(BOB)
    assert box.flags() == []
    assert len(box.flags("Täken mail")) == 3


async def test_only_what_something_followed_from_is_ever_deleted(service, box, may_mail):
    box.deliver(mail(), LETTER)
    await box.set_up(when_taken="delete")
    async with pulling(service) as pull:
        await pull.through()
    assert not await may_mail()
    assert box.flags() == [{TAKEN}]


async def test_stopping_ends_the_wait_at_once(service, box):
    await box.set_up()
    async with asyncio.timeout(20):
        async with pulling(service) as pull:
            await pull.through()


async def test_a_mailbox_that_the_file_has_no_more_is_left(service, box):
    await box.set_up()
    async with pulling(service) as pull:
        await pull.through()
        await apply(service, acme_with())
        await pull.puller.begin()
        assert not pull.puller.tasks
        await asyncio.to_thread(box.deliver, mail())
        await box.set_up(folder="Elsewhere")
        await pull.puller.begin()
        await pull.fails("no_folder")
    assert box.flags() == [set()]


async def test_a_process_that_is_told_not_to_pulls_nothing(service, box):
    change(service, mailboxes_pulled=False)
    await box.set_up()
    async with pulling(service) as pull:
        assert not pull.puller.tasks
