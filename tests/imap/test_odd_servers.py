"""Servers that do what they should not; and that need not be installed."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from tests.imap.cast import NAME, acme_with, apply, change, count, pulling
from tests.support.scripted_imap import SOUND, scripted


@pytest.fixture
def settings(settings):
    ascii_alone = (SecretStr(f"{NAME}:s3cret"),)  # which LOGIN takes
    return settings.model_copy(
        update={"mailbox_timeout_seconds": 5.0, "mailbox_passwords": ascii_alone}
    )


@pytest.fixture
def set_up(service):
    async def applied(server, **more):
        mailbox = {"name": NAME, "server": f"127.0.0.1:{server.port}", "security": "none"}
        await apply(service, acme_with(**mailbox | {"user": "stop@acme.example.com"} | more))

    return applied


async def test_a_mailbox_that_keeps_no_marks_is_told_and_takes_its_mail_once(service, set_up):
    async with scripted() as server:
        await set_up(server)
        async with pulling(service) as pull:
            for _ in range(3):
                await pull.fails("marks_not_kept")
    assert await count(service) == 1


@pytest.mark.parametrize(
    ("select", "more"),
    [
        ([r"* OK [PERMANENTFLAGS (\Seen \Deleted)] kept"], {}),
        ([], {"when_taken": "delete"}),
        (SOUND["SELECT"], {"when_taken": "move", "taken_folder": "Taken"}),
        (SOUND["SELECT"], {"security": "starttls"}),
    ],
)
async def test_a_server_that_cannot_do_it_is_asked_for_no_mail(service, set_up, select, more):
    async with scripted(SOUND | {"SELECT": select}) as server:
        await set_up(server, **more)
        async with pulling(service) as pull:
            await pull.fails("unfit")
    assert "UID FETCH" not in server.asked
    assert ("LOGIN" in server.asked) == ("security" not in more)


@pytest.mark.parametrize(
    ("said", "how"),
    [
        ("NO [UNAVAILABLE] come again", "refused"),
        ("NO [AUTHENTICATIONFAILED] no", "login_refused"),
        ("BAD what", "login_refused"),
    ],
)
async def test_a_refused_login_may_pass(service, set_up, said, how):
    async with scripted(refusals={"LOGIN": said}) as server:
        await set_up(server)
        async with pulling(service) as pull:
            await pull.fails(how)


async def test_a_password_that_the_server_has_no_words_for_is_loud(service, set_up):
    service.vault = replace(service.vault, mailbox_passwords=((NAME, "pass wörd"),))
    async with scripted() as server:
        await set_up(server)
        async with pulling(service) as pull:
            await pull.fails("login_refused")


@pytest.mark.parametrize(
    "command", ["CAPABILITY", "LOGIN", "SELECT", "UID SEARCH", "UID FETCH", "UID STORE"]
)
async def test_wherever_a_server_hangs_up_or_refuses_it_is_tried_again(service, set_up, command):
    change(service, mailbox_attempts_max=100)
    async with scripted(hangs_up_at=command) as server:
        await set_up(server)
        async with pulling(service) as pull:
            await pull.fails("not_connected")
            await pull.fails("not_connected")
    async with scripted(refusals={command: "NO never"}) as server:
        await set_up(server)
        async with pulling(service) as pull:
            await pull.until(lambda: server.asked.count(command) > (command != "LOGIN"))
    assert await count(service) <= 1


@pytest.mark.parametrize("greeting", ["HTTP/1.1 400 Bad Request", "", "\x00\xff", "* BYE full"])
async def test_what_is_no_imap_is_tried_again(service, set_up, greeting):
    async with scripted(greeting=greeting) as server:
        await set_up(server)
        async with pulling(service) as pull:
            await pull.until(lambda: pull.faults("not_connected") + pull.faults("refused") > 0)


@pytest.mark.parametrize(
    "fetched",
    [
        [],
        ["* 1 FETCH (UID 7 BODY[]<0> NIL)"],
        ["* 1 FETCH (UID 7 BODY[]<0> {5}\r\nstop!)"],
        ["* 1 FETCH (UID 7 INTERNALDATE NIL BODY[] {0}\r\n)"],
        ["* 1 FETCH (UID 7 RFC822.SIZE"],
        ["* 1 FETCH (((("],
        ["* 1 FETCH nonsense"],
    ],
)
async def test_whatever_a_server_gives_for_a_mail_the_task_lives(service, set_up, fetched):
    async with scripted(SOUND | {"UID FETCH": fetched}) as server:
        await set_up(server)
        async with pulling(service) as pull:
            await pull.until(lambda: server.asked.count("UID FETCH") > 2)
            [(_, _, task)] = pull.puller.tasks.values()
            assert not task.done()
