"""While the database does not answer, opt-outs of every door are kept, and recorded later, once."""

import asyncio
import re
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from asyncpg import DiskFullError

from prefsvc import short_links
from prefsvc.address import Address
from prefsvc.doors import Service
from prefsvc.errors import TooBusy
from prefsvc.mail.mail import Mail
from prefsvc.mailbox.making import Arrived
from prefsvc.mailbox.taking import take
from prefsvc.recipients import Recipient
from prefsvc.spool import replaying
from prefsvc.spool.store import Store
from prefsvc.work.loops import repeat
from tests.sms.twilio_client import signed, sms
from tests.support.cast import ACMES_NUMBER, ANN, ANNS_PHONE, BOB, ORIGIN, TWILIO_TOKEN
from tests.support.register import act
from tests.unit.mail.letters import report

ARF = "Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n"
ONE_CLICK = b"List-Unsubscribe=One-Click"
HOOK = "/hooks/twilio/messages"


async def waiting(service):
    return (await service.spool.state()).standing.waiting


async def short(service, address=ANN, **more):
    brand = service.book.get("acme")
    wanted = short_links.Wanted(
        Recipient.of(Address.for_opt_out("email", address), service.vault), **more
    )
    async with service.database.transaction() as tx:
        [token] = await short_links.mint(tx, service.book.keyring, brand, [wanted])
    return f"/u/{token}"


async def text(client, body="STOP", sid="SM" + "1" * 32):
    form = sms(body, from_=ANNS_PHONE, to=ACMES_NUMBER, MessageSid=sid)
    return await client.post(HOOK, data=form, headers=signed(ORIGIN + HOOK, form, TWILIO_TOKEN))


async def test_a_click_is_kept_while_the_database_takes_no_writes(  # noqa: PLR0917 - fixtures
    client, service, read_only, tend, sealed, ledger
):
    for person in (ANN, BOB):  # who finds it so, and who comes when it is known
        assert (await client.post(sealed(person), data=ONE_CLICK)).status == 200
        await tend()
        assert service.spool.is_away
    assert await waiting(service) == 2
    await read_only("off")
    await tend()  # by a connection that goes on reading only
    assert service.spool.is_away
    await tend()
    assert [row["canonical"] for row in await ledger()] == [ANN, BOB]
    assert not service.spool.is_away


async def test_a_click_is_kept_and_recorded_with_its_own_moment(  # noqa: PLR0917 - fixtures
    client, away, tend, sealed, ledger, clock
):
    clock.stop(clicked_at := clock())
    reply = await client.post(sealed(), data=ONE_CLICK)
    assert reply.status == 200
    receipt = re.search(r"Receipt: (\S+)", await reply.text())[1]
    assert not await ledger()
    assert await waiting(away) == 1
    clock.move(minutes=5)
    await tend()
    [row] = await ledger()
    assert (row["canonical"], row["source"], row["effect"]) == (ANN, "one_click", "added")
    assert (row["received_at"], row["recorded_at"]) == (clicked_at, clock())
    assert str(row["event_id"]) == receipt
    assert await waiting(away) == 0
    assert not away.spool.is_away


async def test_a_person_sees_by_when_they_are_heard_and_is_offered_no_undo(client, away, sealed):
    page = await client.post(sealed(), headers={"Accept": "text/html"})
    assert page.status == 200
    html = await page.text()
    assert "You are unsubscribed from all" in html
    assert 'name="ticket"' not in html  # what stood before is not known


async def test_a_short_link_is_kept_though_nobody_knows_whose_it_is(
    service, client, tend, ledger, clock
):
    link = await short(service, topic="news")
    service.spool.note(is_away=True)
    clock.stop(pressed_at := clock())
    reply = await client.post(link, data=ONE_CLICK)
    assert reply.status == 200
    clock.move(minutes=1)
    await tend()
    [row] = await ledger()
    assert (row["canonical"], row["scope"], row["topic"]) == (ANN, "topic", "news")
    assert row["received_at"] == pressed_at
    assert str(row["event_id"]) in await reply.text()


async def test_a_short_link_whose_row_is_gone_is_set_aside_and_holds_up_nobody(
    service, client, tend, sealed, ledger
):
    link = await short(service)
    await service.database.pool.execute("delete from short_link")
    service.spool.note(is_away=True)
    for one in (link, sealed(BOB)):
        assert (await client.post(one, data=ONE_CLICK)).status == 200
    await tend()
    assert [row["canonical"] for row in await ledger()] == [BOB]
    [aside] = await service.spool.use(lambda store: store.set_aside_ones(9))
    assert aside.fault == "InvalidToken"


async def test_a_forged_link_is_refused_as_ever(client, away, sealed):
    link = sealed()
    forged = link[:-1] + ("A" if link[-1] != "A" else "B")
    assert (await client.post(forged, data=ONE_CLICK)).status == 404
    assert await waiting(away) == 0


async def test_a_stop_by_text_is_kept_and_answered_in_silence(client, away, tend, ledger, clock):
    clock.stop(texted_at := clock())
    for _ in range(2):  # a retry, too
        reply = await text(client)
        assert reply.status == 200
        assert "<Message>" not in await reply.text()
    clock.move(minutes=3)
    await tend()
    [row] = await ledger()
    assert (row["canonical"], row["act"], row["received_at"]) == (ANNS_PHONE, "opt_out", texted_at)


async def test_a_start_is_not_kept_so_that_it_is_sent_again(client, away):
    assert (await text(client, "START")).status == 503
    assert await waiting(away) == 0


async def test_a_doubtful_text_is_kept_with_its_moment(service, client, away, tend, clock):
    clock.stop(asked_at := clock())
    assert (await text(client, "sorry, you have the wrong number")).status == 200
    clock.move(minutes=3)
    await tend()
    assert await service.database.pool.fetchval("select asked_at from review") == asked_at


async def test_a_mail_is_kept(service, away, tend, ledger):
    mail = (
        f"From: {ANN}\r\nTo: unsubscribe@acme.example\r\nSubject: Unsubscribe\r\n"
        "Message-ID: <1@example.org>\r\nDate: Sun, 29 Nov 2026 12:00:00 +0000\r\n\r\nstop\r\n"
    ).encode()
    brand = service.book.get("acme")
    for _ in range(2):
        arrived = Arrived(Mail(mail), "unsubscribe@acme.example", "127.0.0.1", ANN)
        assert (await take(service, arrived, brand)).outcome == "opt_out"
    await tend()
    [row] = await ledger()
    assert (row["canonical"], row["source"]) == (ANN, "mail_reply_unproven")


def mail_to(link, *, subject=""):
    """A mail to the address that a List-Unsubscribe names, as a mail program writes it."""
    address = f"u+{link.removeprefix('/u/')}@acme.example"
    head = f"From: {BOB}\r\nTo: {address}\r\nSubject: {subject}\r\nMessage-ID: <1@example.org>\r\n"
    raw = f"{head}Date: Sun, 29 Nov 2026 12:00:00 +0000\r\n\r\n".encode()
    return Arrived(Mail(raw), address, "127.0.0.1", BOB)


async def test_a_mail_to_a_short_links_address_is_kept_and_known_when_it_comes_again(
    service, tend, ledger, clock
):
    arrived = mail_to(await short(service, topic="news"))
    service.spool.note(is_away=True)
    clock.stop(asked_at := clock())
    for _ in range(2):
        assert (await take(service, arrived)).outcome == "opt_out"
    clock.move(minutes=5)
    await tend()
    await take(service, arrived)
    [row] = await ledger()
    assert (row["canonical"], row["source"], row["topic"]) == (ANN, "mailbox", "news")
    assert row["received_at"] == asked_at
    [evidence] = await service.database.pool.fetch("select content from evidence")
    assert evidence["content"]["named_by"] == "token"


async def test_a_mail_that_had_been_taken_before_is_known_when_the_spool_gives_it_back(
    service, tend, ledger
):
    arrived = mail_to(await short(service))
    await take(service, arrived)
    service.spool.note(is_away=True)
    await take(service, arrived)
    await tend()
    assert len(await ledger()) == 1


async def test_a_complaint_about_a_short_links_message_is_kept(service, tend, ledger):
    link = await short(service, topic="news")
    original = f"From: news@acme.example\nTo: redacted\nList-Unsubscribe: <{ORIGIN}{link}>\n\n"
    raw = report(ARF, kind="feedback-report", original=original)
    service.spool.note(is_away=True)
    for _ in range(2):
        arrived = Arrived(Mail(raw), "complaints@acme.example", "127.0.0.1", "")
        assert (await take(service, arrived, service.book.get("acme"))).outcome == "complaint"
    await tend()
    rows = await ledger()
    assert {(row["canonical"], row["reason"], row["scope"]) for row in rows} == {
        (ANN, "complaint", "brand")
    }
    assert len(rows) == len({row["channel"] for row in rows})


async def test_a_report_that_a_person_must_look_at_is_left_to_be_sent_again(service):
    link = await short(service)
    address = "CFBL-Address: fbl@acme.example; report=arf"
    original = f"From: news@acme.example\n{address}\nCFBL-Feedback-ID: {link[3:]}\n\n"
    raw = report(ARF, kind="feedback-report", original=original)
    service.settings = service.settings.model_copy(update={"mail_authentication": "header"})
    service.spool.note(is_away=True)
    with pytest.raises(ConnectionError):
        await take(service, Arrived(Mail(raw), "x@acme.example", "127.0.0.1", ""))
    assert await waiting(service) == 0


async def test_what_came_while_it_waited_is_recorded_in_order(client, away, tend, sealed, clock):
    people = [f"person{n}@example.org" for n in range(30)]
    for person in people:
        await client.post(sealed(person), data=ONE_CLICK)
        clock.move(seconds=1)
    kept = await away.spool.use(lambda store: store.first(99))
    assert [one.kept_at for one in kept] == sorted({one.kept_at for one in kept})
    await tend()
    rows = await away.database.pool.fetch(
        "select a.canonical, e.received_at from preference_event as e"
        " join address as a using (bucket, address_key) order by e.received_at"
    )
    assert [row["canonical"] for row in rows] == people


async def test_a_lapse_between_the_commit_and_the_file_records_nothing_twice(  # noqa: PLR0917 - fixtures
    client, away, tend, sealed, ledger, monkeypatch
):
    await client.post(sealed(), data=ONE_CLICK)
    [kept] = await away.spool.use(lambda store: store.first(9))
    forgetting = Store.given_back

    def dies(store, item_ids):
        raise ConnectionError

    monkeypatch.setattr(Store, "given_back", dies)
    await tend()
    assert len(await ledger()) == 1
    assert await waiting(away) == 1
    monkeypatch.setattr(Store, "given_back", forgetting)
    # In between the person has changed their mind: the copy that is left must not stop them again.
    again = act(away, ANN, source="sms_reply")
    await away.withdraw([again])
    away.spool.doubt()
    await tend()
    assert [row["act"] for row in await ledger()] == ["opt_out", "opt_in"]
    assert await waiting(away) == 0
    assert kept.content


async def test_a_later_word_of_the_person_stands_against_what_was_spooled_before(
    client, away, tend, sealed, clock
):
    await client.post(sealed(), data=ONE_CLICK)
    clock.move(minutes=1)
    away.spool.note(is_away=False)
    await away.withdraw([act(away, ANN, source="sms_reply")])
    await tend()
    active = await away.database.pool.fetchval("select active from suppression")
    assert active is False


async def test_what_is_kept_meanwhile_is_given_back_too(client, away, tend, sealed, ledger):
    await asyncio.gather(
        *[client.post(sealed(f"p{n}@example.org"), data=ONE_CLICK) for n in range(20)]
    )
    await tend()
    await tend()
    assert len(await ledger()) == 20
    assert not away.spool.is_away


@pytest.fixture
def commits(monkeypatch):
    """How many opt-outs each transaction had."""
    counted, commit = [], Service.commit

    async def counting(service, acts):
        counted.append(len(acts))
        return await commit(service, acts)

    monkeypatch.setattr(Service, "commit", counting)
    return counted


async def test_opt_outs_by_links_of_both_forms_share_a_transaction(  # noqa: PLR0917 - fixtures
    service, client, tend, sealed, ledger, commits, clock
):
    people = [f"person{number}@example.org" for number in range(12)]
    paths = [await short(service, one) if n % 2 else sealed(one) for n, one in enumerate(people)]
    service.spool.note(is_away=True)
    for path in paths:
        assert (await client.post(path, data=ONE_CLICK)).status == 200
        clock.move(milliseconds=1)  # ids are in the order of milliseconds
    await tend()
    assert commits == [12]
    assert [row["canonical"] for row in await ledger()] == people


async def test_a_service_that_stops_leaves_the_rest_to_its_next_start(  # noqa: PLR0917 - fixtures
    client, away, tend, sealed, ledger, monkeypatch
):
    for number in range(3):
        await client.post(sealed(f"person{number}@example.org"), data=ONE_CLICK)
    changed = away.settings.model_copy(update={"spool_replay_max": 1})
    monkeypatch.setattr(away, "settings", changed)
    commit = Service.commit

    async def told_to_stop(service, acts):
        service.stopping.set()
        return await commit(service, acts)

    with monkeypatch.context() as patched:
        patched.setattr(Service, "commit", told_to_stop)
        await tend()
    assert (len(await ledger()), await waiting(away)) == (1, 2)
    away.stopping.clear()
    await tend()
    assert (len(await ledger()), await waiting(away)) == (3, 0)


async def test_an_opt_out_that_waits_too_long_is_kept_and_counts_once(  # noqa: PLR0917 - fixtures
    service, client, tend, sealed, ledger, monkeypatch
):
    changed = service.settings.model_copy(update={"spool_after_seconds": 0.2})
    monkeypatch.setattr(service, "settings", changed)
    async with service.database.transaction() as tx:
        await tx.conn.execute("lock table feed_head in access exclusive mode")
        reply = await client.post(sealed(), data=ONE_CLICK)
        assert reply.status == 200
        assert await waiting(service) == 1
    await tend()
    rows = await ledger()
    assert [row["canonical"] for row in rows] == [ANN]
    assert await waiting(service) == 0


async def knock(door, client, keys, sealed):
    """Opt out at a door; return what it answered."""
    match door:
        case "link":
            return (await client.post(sealed(), data=ONE_CLICK)).status
        case "text":
            return (await text(client)).status
        case "api":
            return (await say(client, keys.operator)).status


@pytest.mark.parametrize("door", ["link", "text", "api"])
async def test_a_write_that_was_given_up_and_succeeds_late_keeps_the_moment(  # noqa: PLR0917 - fixtures
    service, client, keys, tend, sealed, ledger, clock, monkeypatch, door
):
    changed = service.settings.model_copy(update={"spool_after_seconds": 0.5})
    monkeypatch.setattr(service, "settings", changed)
    if door == "api":
        await say(client, keys.operator, BOB)  # so that the key is known
    clock.stop(said_at := clock())
    before = len(await ledger())
    async with AsyncExitStack() as taken:
        for _ in range(changed.pool_size):
            await taken.enter_async_context(service.database.pool.acquire())
        assert await knock(door, client, keys, sealed) in {200, 202}
        assert await waiting(service) == 1
        clock.move(seconds=8)
    await tend()
    rows = (await ledger())[before:]
    assert [row["received_at"] for row in rows] == [said_at]


async def say(client, key, address=ANN, **headers):
    body = {"channel": "email", "address": address, "evidence": {"call": 1}}
    path = "/v1/brands/acme/opt-outs"
    return await client.post(path, json=body, headers=key | headers)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "one"}])
async def test_an_opt_out_by_api_is_accepted_and_recorded_under_its_id(  # noqa: PLR0917 - fixtures
    service, client, keys, tend, ledger, headers
):
    assert (await say(client, keys.mailer, BOB)).status == 201  # so that the key was seen
    service.spool.note(is_away=True)
    reply = await say(client, keys.mailer, **headers)
    assert reply.status == 202
    document = await reply.json()
    assert document["is_new"] is None
    assert document["deadline_at"]
    await tend()
    assert [str(row["event_id"]) for row in await ledger()][1:] == [document["opt_out_id"]]


async def test_whose_key_was_never_seen_is_not_believed(client, keys, away):
    reply = await say(client, keys.mailer)
    assert reply.status == 503
    assert await waiting(away) == 0


async def test_a_key_seen_too_long_ago_is_not_believed(service, client, keys, monkeypatch):
    assert (await say(client, keys.mailer, BOB)).status == 201
    later = service.callers.clock() + service.settings.api_key_remembered_seconds + 1
    monkeypatch.setattr(service.callers, "clock", lambda: later)
    service.spool.note(is_away=True)
    assert (await say(client, keys.mailer)).status == 503


async def test_a_full_spool_says_so_and_claims_nothing(client, away, sealed):
    away.spool._items_max = 1
    assert (await client.post(sealed(), data=ONE_CLICK)).status == 200
    reply = await client.post(sealed(BOB), data=ONE_CLICK)
    assert reply.status == 503
    assert reply.headers["Retry-After"]
    assert await waiting(away) == 1


async def test_a_spool_that_cannot_be_written_says_so(client, away, sealed):
    away.spool.folder.parent.mkdir(exist_ok=True)
    away.spool.folder.write_text("a file where the folder should be")
    assert (await client.post(sealed(), data=ONE_CLICK)).status == 503
    assert (await client.get("/readyz")).status == 503


async def test_readyz_tells_how_it_stands(client, away, tend, sealed):
    await client.post(sealed(), data=ONE_CLICK)
    reply = await client.get("/readyz")
    assert (reply.status, await reply.json()) == (
        200,
        {"status": "spooling", "spool": {"waiting": 1, "set_aside": 0}},
    )
    await tend()
    assert await (await client.get("/readyz")).json() == {
        "status": "ready",
        "spool": {"waiting": 0, "set_aside": 0},
    }


async def test_one_process_at_a_time_gives_back(client, away, sealed, ledger):
    await client.post(sealed(), data=ONE_CLICK)
    with replaying._alone(away) as first, replaying._alone(away) as second:
        assert (first, second) == (True, False)
        assert await replaying.replay(away) == 0
    assert await replaying.replay(away) == 1
    assert len(await ledger()) == 1


async def test_an_outage_does_not_move_a_deadline(  # noqa: PLR0917 - fixtures
    client, away, tend, sealed, ledger, clock
):
    await client.post(sealed(), data=ONE_CLICK)
    clock.move(hours=30)
    await tend()
    [row] = await ledger()
    assert row["deadline_at"] - row["received_at"] <= timedelta(days=10)


async def test_what_is_passing_sets_nothing_aside(  # noqa: PLR0917 - fixtures
    client, away, tend, sealed, ledger, monkeypatch
):
    """Whatever keeps the register from taking an item by no fault of the item's, it waits on."""
    await client.post(sealed(), data=ONE_CLICK)
    changed = away.settings.model_copy(update={"spool_probe_seconds": 0})
    monkeypatch.setattr(away, "settings", changed)
    commit = away.commit

    async def busy(_):
        raise TooBusy

    monkeypatch.setattr(type(away), "commit", lambda _, acts: busy(acts))
    await tend()
    assert (await away.spool.state()).standing.set_aside == 0
    assert await waiting(away) == 1
    monkeypatch.setattr(type(away), "commit", lambda _, acts: commit(acts))
    await tend()
    assert len(await ledger()) == 1


async def test_a_database_that_answers_and_takes_nothing_is_tried_no_more_often_for_what_comes(
    client, away, tend, sealed, monkeypatch
):
    changed = away.settings.model_copy(update={"spool_probe_seconds": 600})
    monkeypatch.setattr(away, "settings", changed)
    tried, tries = asyncio.Event(), []

    async def full(_, acts):
        tries.append(acts)
        tried.set()
        raise DiskFullError

    monkeypatch.setattr(Service, "commit", full)
    # One waits before the database is asked: else it is found to be back, and takes all the others.
    assert (await client.post(sealed(), data=ONE_CLICK)).status == 200
    loop = asyncio.create_task(repeat("spool", away.stopping, 600, tend, waker=away.spool.doubted))
    await tried.wait()
    for number in range(8):
        assert (await client.post(sealed(f"{number}@example.org"), data=ONE_CLICK)).status == 200
    away.stop()
    await loop
    assert len(tries) == 1
    assert await waiting(away) == 9
