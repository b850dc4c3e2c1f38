"""What goes wrong between a mailbox and the register loses nothing, and holds up nobody."""

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from prefsvc import metrics
from tests.imap.cast import NAME, change, count, people, pulling
from tests.mailbox.conftest import mail
from tests.support import dovecot
from tests.support.cast import ANN, BOB
from tests.support.cutting_proxy import cutting

pytestmark = dovecot.needed

TAKEN, ASIDE, SEEN, FLAGGED = "PrefsvcTaken", "PrefsvcSetAside", "\\Seen", "\\Flagged"


def at(port):
    return SimpleNamespace(port=port)


@pytest.fixture
async def nobody_named_bob(service):
    """Have the register refuse Bob, whatever he writes."""
    pool = service.database.pool
    await pool.execute(
        "alter table address add constraint nobody_is_bob"
        f" check (canonical is distinct from '{BOB}') not valid"
    )
    yield
    await pool.execute("alter table address drop constraint nobody_is_bob")


async def test_a_mail_that_cannot_be_taken_is_set_aside_and_those_behind_it_are_taken(
    service, box, may_mail, nobody_named_bob
):
    change(service, mailbox_attempts_max=3, mailbox_batch_max=2)
    poison = mail(from_=BOB, Message_ID="<bob@example.org>")
    box.deliver(*people(3), poison, mail())
    await box.set_up()
    failed = metrics.MAILBOX_MAILS.labels(NAME, "failed")
    before = failed._value.get()
    with capture_logs() as said:
        async with pulling(service) as pull:
            await pull.until(lambda: metrics.MAILBOX_ASIDE.labels(NAME)._value.get() == 1)
            assert not await may_mail()
    taken = {TAKEN, SEEN}
    assert box.flags() == [taken, taken, taken, {ASIDE, FLAGGED}, taken]
    assert failed._value.get() == before + 3
    assert [one["event"] for one in said].count("mail_set_aside") == 1
    assert not any(word in json.dumps(said, default=str) for word in (BOB, ANN, "take me off"))


async def test_what_was_set_aside_is_tried_again_once_its_star_is_taken_off(service, box, may_mail):
    box.deliver(mail())
    with box.owner() as owner:
        owner.add_flags(owner.search(), [ASIDE, FLAGGED])
    await box.set_up()
    async with pulling(service) as pull:
        await pull.through()
        assert await may_mail()
        assert metrics.MAILBOX_ASIDE.labels(NAME)._value.get() == 1
        with box.owner() as owner:
            owner.remove_flags(owner.search(), [FLAGGED])
        await pull.until(lambda: metrics.MAILBOX_ASIDE.labels(NAME)._value.get() == 0)
    assert not await may_mail()
    assert box.flags() == [{TAKEN, ASIDE, SEEN}]


async def test_where_taken_mail_is_moved_what_cannot_be_taken_is_moved_elsewhere(
    service, box, nobody_named_bob
):
    change(service, mailbox_attempts_max=1)
    box.deliver(mail(from_=BOB), mail())
    await box.set_up(when_taken="move", taken_folder="Taken")
    async with pulling(service) as pull:
        await pull.until(lambda: metrics.MAILBOX_ASIDE.labels(NAME)._value.get() == 1)
        await pull.through()
    assert box.flags() == []
    assert [len(box.flags(one)) for one in ("Taken", "Taken-set-aside")] == [1, 1]


async def test_while_the_register_takes_nothing_nothing_is_marked_nor_set_aside(service, box):
    change(service, mailbox_attempts_max=1)
    box.deliver(*people(10))
    await box.set_up()
    pool = service.database.pool
    await pool.execute("alter table prefsvc.preference_event rename to away")
    async with pulling(service) as pull:
        for _ in range(4):
            await pull.fails("not_recorded")
        assert box.flags() == [set()] * 10
        await pool.execute("alter table prefsvc.away rename to preference_event")
        await pull.until(lambda: box.flags() == [{TAKEN, SEEN}] * 10)
    assert await count(service) == 10


async def test_while_the_database_does_not_answer_mail_stays_in_the_mailbox(service, box):
    box.deliver(mail())
    await box.set_up()
    service.spool.note(is_away=True)
    async with pulling(service) as pull:
        await pull.fails("not_recorded")
        assert box.flags() == [set()]
        service.spool.note(is_away=False)
        await pull.until(lambda: box.flags() == [{TAKEN, SEEN}])
    assert await count(service) == 1


async def test_a_refused_login_is_loud_and_not_tried_at_once(service, box):
    service.vault = replace(service.vault, mailbox_passwords=((NAME, "wr0ng-canary"),))
    change(service, mailbox_retry_seconds=5.0)
    await box.set_up()
    with capture_logs() as said:
        async with pulling(service) as pull:
            await pull.fails("login_refused")
    [line] = [one for one in said if one["event"] == "mailbox_not_pulled"]
    assert line["log_level"] == "error"
    assert line["again_seconds"] >= 50
    assert "canary" not in json.dumps(said)


async def test_a_mailbox_without_a_password_is_loud(service, box):
    await box.set_up(name="another")
    async with pulling(service, name="another") as pull:
        await pull.fails("no_password")


async def test_a_server_that_starts_again_is_found_again(service, box, may_mail):
    change(service, mailbox_poll_seconds=1.0, mailbox_timeout_seconds=3.0)
    with dovecot.serving() as server:
        box = box.at(server)
        await box.set_up()
        async with pulling(service) as pull:
            await pull.through()
            await asyncio.to_thread(server.stop)
            await pull.fails("not_connected")
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(box.deliver, mail())
            await pull.until(lambda: box.flags() == [{TAKEN, SEEN}])
    assert not await may_mail()


async def test_a_mail_that_breaks_the_connection_is_set_aside(service, box):
    change(service, mailbox_attempts_max=2)
    mails = people(6)
    mails[3] = mail("please unsubscribe me, by the way: BREAK-OFF", from_=BOB)
    box.deliver(*mails)
    async with cutting(box.server.port, b"BREAK-OFF") as port:
        await box.set_up(server=at(port))
        async with pulling(service) as pull:
            await pull.until(lambda: metrics.MAILBOX_ASIDE.labels(NAME)._value.get() == 1)
            await pull.through()
    taken = {TAKEN, SEEN}
    assert box.flags() == [taken, taken, taken, {ASIDE, FLAGGED}, taken, taken]
    assert await count(service) == 5


async def test_a_folder_that_is_made_anew_is_another_one(service, box, may_mail):
    with box.owner() as owner:
        owner.create_folder("Stop")
    change(service, mailbox_poll_seconds=1.0)
    await box.set_up(folder="Stop")
    async with pulling(service) as pull:
        await asyncio.to_thread(box.deliver, mail(from_=BOB), folder="Stop")
        await pull.until(lambda: box.flags("Stop") == [{TAKEN, SEEN}])

        def remove():
            with box.owner() as owner:
                owner.delete_folder("Stop")

        def make_anew():
            with box.owner() as owner:
                owner.create_folder("Stop")
            box.deliver(mail(), folder="Stop")

        # Dovecot may lose what is put into a folder while it clears away its namesake, which lasts
        # as long as somebody has that selected: so let us have noticed.
        failing = asyncio.create_task(pull.fails("no_folder"))
        await asyncio.to_thread(remove)
        await failing
        await asyncio.to_thread(make_anew)
        await pull.until(lambda: box.flags("Stop") == [{TAKEN, SEEN}])
    assert not await may_mail()


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_the_way_to_the_server_is_private(service, box, may_mail, security, tmp_path):
    authority = tmp_path / "authority.pem"
    authority.write_bytes((box.server.folder / "tls.pem").read_bytes())
    change(service, mailbox_ca_file=authority)
    port = box.server.tls_port if security == "tls" else box.server.port
    box.deliver(mail())
    await box.set_up(server=at(port), security=security)
    async with pulling(service) as pull:
        await pull.through()
        await asyncio.to_thread(box.deliver, mail(from_=BOB))
        await pull.until(lambda: box.flags() == [{TAKEN, SEEN}] * 2)
    assert not await may_mail()
    assert not await may_mail(BOB)


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_server_whose_certificate_is_not_trusted_is_told_no_password(
    service, box, security
):
    port = box.server.tls_port if security == "tls" else box.server.port
    await box.set_up(server=at(port), security=security)
    async with pulling(service) as pull:
        await pull.fails("untrusted")


async def test_a_port_where_nobody_listens_is_tried_again(service, box):
    await box.set_up(server=at(dovecot.free_port()))
    async with pulling(service) as pull:
        await pull.fails("not_connected")
        await pull.fails("not_connected")


async def test_a_server_that_says_nothing_holds_up_neither_the_others_nor_the_end(service, box):
    async def says_nothing(reader, writer):
        await reader.read()
        writer.transport.abort()

    change(service, mailbox_timeout_seconds=0.2)
    server = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
    async with server, asyncio.timeout(20):
        await box.set_up(server=at(server.sockets[0].getsockname()[1]))
        async with pulling(service) as pull:
            await pull.fails("timed_out")
            change(service, mailbox_timeout_seconds=60.0, shutdown_grace_seconds=0.1)
