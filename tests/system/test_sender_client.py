"""The example client of docs/senders.md, against the running application."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from prefsvc import installation
from tests.support.cast import ANN, BOB, Clock
from tests.support.lists import ACME, say_start, say_stop
from tests.system.mailing_tool import (
    DoNotSend,
    Reply,
    Tool,
    open_gate,
    sender_client,
    written_to,
)

CAT = "cat@example.org"
AWAY = Reply(503, b'{"code": "database_away", "detail": "Try again."}', {})


@pytest.fixture
async def gate(client):
    async with open_gate(str(client.make_url("")).rstrip("/")) as gate:
        yield gate


@pytest.fixture
def tool(gate, keys, clock, tmp_path):
    key = keys.mailer["Authorization"].removeprefix("Bearer ")
    return Tool(gate, key, tmp_path / "sender.sqlite3", clock)


@pytest.fixture
async def here():
    """Do something at prefsvc from within the tool's thread, and wait until it is done."""
    loop = asyncio.get_running_loop()

    def do(work):
        asyncio.run_coroutine_threadsafe(work, loop).result()

    return do


async def restore(service, to="another/1"):
    """Begin another history, as a restored register does."""
    async with service.database.transaction() as tx:
        history = await tx.conn.fetchval("select server_history from installation")
        await installation.begin_epoch(tx, previous_history=history, history=to)


async def standing(client, keys):
    reply = await client.get(f"{ACME}/senders", headers=keys.operator)
    return {one["sender"]: one for one in (await reply.json())["senders"]}["mailer"]


# --- The list ----------------------------------------------------------------------------------


async def test_it_writes_to_those_who_may_be_written_to_and_once(client, keys, tool):
    await say_stop(client, keys, ANN)
    assert await tool.send(ANN, BOB) == [BOB]
    assert await tool.send(ANN, BOB, CAT) == [CAT]
    assert await tool.send(ANN, BOB, mailing="summer") == [BOB]


async def test_what_it_has_applied_it_has_acknowledged(client, keys, tool):
    await tool.sync()
    await say_stop(client, keys, ANN)
    assert (await standing(client, keys))["owed_count"] == 1
    await tool.sync()
    assert (await standing(client, keys))["owed_count"] == 0


async def test_it_keeps_a_list_that_follows_the_feed(client, keys, tool):
    await say_stop(client, keys, ANN)
    await tool.sync()
    await say_start(client, keys, ANN)
    await say_stop(client, keys, BOB, scope="topic", topic="offers")
    await say_stop(client, keys, CAT, scope="third_party_sharing")
    assert await tool.send(ANN, BOB, CAT) == [ANN, BOB, CAT]
    assert await tool.send(ANN, BOB, CAT, mailing="sale", topic="offers") == [ANN, CAT]
    assert tool.gate.passed.count("GET suppressions") == 1


async def test_a_stop_during_a_mailing_stops_the_rest(client, keys, tool, here, monkeypatch):
    monkeypatch.setattr(sender_client, "BATCH", 1)
    tool.at_each = lambda _address: here(say_stop(client, keys, CAT))
    assert await tool.send(BOB, CAT) == [BOB]


@pytest.mark.parametrize("spelling", [f"Ann <{ANN}>", "ANN@Example.org", f'"{ANN}"'])
async def test_it_knows_every_spelling(client, keys, tool, spelling):
    await say_stop(client, keys, ANN)
    assert await tool.send(spelling) == []


async def test_its_list_alone_stops_a_message(client, keys, tool):
    def everybody_may(name, reply):
        if name != "POST check":
            return reply
        document = json.loads(reply.body)
        document["results"] = [{"may_send": True} for _ in document["results"]]
        return replace(reply, body=json.dumps(document).encode())

    await say_stop(client, keys, ANN)
    tool.gate.spoil = everybody_may
    assert await tool.send(ANN, BOB) == [BOB]


async def test_processes_that_share_a_store_do_not_disturb_each_other(client, keys, tool):
    people = [f"person{n}@example.org" for n in range(12)]
    await tool.sync()
    for person in people:
        syncing = [asyncio.create_task(tool.sync()) for _ in range(3)]
        await say_stop(client, keys, person)
        await asyncio.gather(*syncing)
    assert await tool.send(*people, BOB) == [BOB]
    assert await tool.look("select count(*) from suppression") == [(len(people),)]
    assert tool.gate.passed.count("GET suppressions") == 1
    assert (await standing(client, keys))["owed_count"] == 0


# --- Unknown means do not send -----------------------------------------------------------------


def without_last_line(body):
    return b"".join(body.splitlines(keepends=True)[:-1])


def without_first_line(body):
    return b"".join(body.splitlines(keepends=True)[1:])


def without_last_but_one(body):
    lines = body.splitlines(keepends=True)
    return b"".join([*lines[:-2], lines[-1]])


def broken_off(body):
    return body[:-20]


CUTS = [without_last_line, without_first_line, without_last_but_one, broken_off]


@pytest.mark.parametrize("cut", CUTS)
async def test_a_list_that_is_not_whole_does_not_count(client, keys, tool, cut):
    def spoil(name, reply):
        return replace(reply, body=cut(reply.body)) if name == "GET suppressions" else reply

    await say_stop(client, keys, ANN)
    tool.gate.spoil = spoil
    with pytest.raises(DoNotSend):
        await tool.send(BOB)
    assert (tool.sent, await tool.look("select * from suppression")) == ([], [])
    assert (await standing(client, keys))["cursor"] is None


STRANGE = {
    "away": AWAY,
    "a page of a proxy": Reply(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
    "a redirect": Reply(302, b"", {"Location": "https://example.com/"}),
    "nothing": Reply(200, b"{}", {"Content-Type": "application/json"}),
    "a list": Reply(200, b"[]", {"Content-Type": "application/json"}),
}
ASKED = [
    "GET suppressions", "GET feed", "POST feed/acknowledgements", "GET senders/mailer/clearance",
    "POST mailings", "POST check",
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("strange", STRANGE)
async def test_whatever_is_not_answered_properly_nothing_is_sent(tool, asked, strange):
    tool.gate.spoil = lambda name, reply: STRANGE[strange] if name == asked else reply
    with pytest.raises(DoNotSend):
        await tool.send(BOB)
    assert tool.sent == []
    tool.gate.spoil = lambda _name, reply: reply
    assert await tool.send(BOB) == [BOB]


async def test_a_lease_that_is_over_stops_a_mailing(tool, clock):
    tool.at_each = lambda _address: clock.move(days=30)
    with pytest.raises(DoNotSend, match="lease is over"):
        await tool.send(BOB, CAT)
    assert tool.sent == [BOB]


async def test_a_clock_that_was_put_back_makes_no_lease_longer(tool, clock):
    tool.at_each = lambda _address: clock.move(days=-1)
    with pytest.raises(DoNotSend, match="put back"):
        await tool.send(BOB, CAT)
    assert tool.sent == [BOB]


@pytest.mark.parametrize("ahead", [timedelta(minutes=-5), timedelta(minutes=5)])
async def test_a_clock_that_disagrees_is_not_relied_on(tool, ahead):
    tool.now = Clock(ahead)
    with pytest.raises(DoNotSend, match="clock"):
        await tool.send(BOB)
    assert tool.sent == []


async def test_without_clearance_nothing_is_sent(client, keys, tool, clock):
    await tool.sync()
    await tool.clearance()
    await say_stop(client, keys, ANN)
    clock.move(days=15)
    with pytest.raises(DoNotSend, match="No clearance"):
        await tool.clearance()
    await tool.sync()
    await tool.clearance()


async def test_a_clearance_that_is_withdrawn_stops_a_mailing(tool, monkeypatch):
    def withdrawn(name, reply):
        if tool.sent and name == "GET senders/mailer/clearance":
            return replace(
                reply, body=reply.body.replace(b'"clearance":true', b'"clearance":false')
            )
        return reply

    monkeypatch.setattr(sender_client, "BATCH", 1)
    tool.gate.spoil = withdrawn
    with pytest.raises(DoNotSend, match="No clearance"):
        await tool.send(BOB, CAT)
    assert tool.sent == [BOB]


@pytest.mark.parametrize("asked", ["GET senders/mailer/clearance", "POST mailings", "POST check"])
async def test_whatever_ends_first_stops_a_mailing(tool, clock, asked):
    def for_ten_minutes(name, reply):
        if name != asked:
            return reply
        document = json.loads(reply.body)
        document["valid_until"] = (clock() + timedelta(minutes=10)).isoformat()
        return replace(reply, body=json.dumps(document).encode())

    tool.gate.spoil = for_ten_minutes
    tool.at_each = lambda _address: clock.move(minutes=5)
    with pytest.raises(DoNotSend, match="lease is over"):
        await tool.send(BOB, CAT, ANN)
    assert tool.sent == [BOB, CAT]


async def test_after_a_restore_it_pulls_the_list_anew(client, keys, service, tool):
    await say_stop(client, keys, ANN)
    await tool.sync()
    await restore(service)
    assert await tool.send(ANN, BOB) == [BOB]
    assert tool.gate.passed.count("GET suppressions") == 2


async def test_a_mailing_from_before_a_restore_goes_on_under_another_name(service, tool):
    await tool.send(BOB)
    await restore(service)
    for _ in range(2):
        with pytest.raises(DoNotSend, match="--except spring"):
            await tool.send(BOB, CAT)
    assert await tool.send(BOB, CAT, mailing="spring-2", earlier=("spring",)) == [CAT]
    assert await tool.send(BOB, CAT, ANN, mailing="spring-2") == [ANN]  # it stays said
    await restore(service, "another/2")
    assert await tool.send(BOB, CAT, ANN, mailing="spring-3", earlier=("spring-2",)) == []


async def test_the_command_leaves_out_whom_an_earlier_mailing_reached(service, tool):
    await tool.send(BOB)
    await restore(service)
    rest = ("send", "spring-2", "--topic", "news", "--message", "It is spring.", "--except")
    people = f"{BOB}\n{CAT}\n".encode()
    status, written, complaint = await tool.run(*rest, "sprung", stdin=people)
    assert (status, written) == (1, [])
    assert "sprung" in complaint
    assert (await tool.run(*rest, "spring", stdin=people))[:2] == (0, [CAT])


async def test_after_a_restore_that_nobody_answers_nothing_is_sent(client, keys, service, tool):
    await tool.sync()
    await restore(service)
    tool.gate.spoil = lambda name, reply: AWAY if name == "GET suppressions" else reply
    with pytest.raises(DoNotSend):
        await tool.send(BOB)
    assert await tool.look("select cursor, valid_until from list") == [(None, None)]


def a_page_is_lost(name, reply):
    page = json.loads(reply.body) if name == "GET feed" else {}
    if not page.get("covers"):
        return reply
    page["covers"][0]["first"] += 1
    page["changes"] = []
    return replace(reply, body=json.dumps(page).encode())


@pytest.mark.parametrize("before", ["nothing", "in the list", "in the feed"])
async def test_a_gap_in_the_feed_is_noticed(client, keys, tool, before):
    if before == "in the list":
        await say_stop(client, keys, ANN)
    await tool.sync()
    if before == "in the feed":
        await say_stop(client, keys, ANN)
        await tool.sync()
    await say_start(client, keys, ANN)
    await say_stop(client, keys, ANN)
    tool.gate.spoil = a_page_is_lost
    assert await tool.send(ANN, BOB) == [BOB]
    assert tool.gate.passed.count("GET suppressions") == 2
    [(applied,)] = await tool.look("select cursor from list")
    assert (await standing(client, keys))["cursor"] == applied


async def test_the_feed_goes_on_where_the_list_ends(client, keys, tool):
    await say_stop(client, keys, ANN)
    await tool.sync()
    await say_start(client, keys, ANN)
    assert await tool.send(ANN) == [ANN]
    assert tool.gate.passed.count("GET suppressions") == 1


async def test_two_stores_with_one_key_are_noticed(client, keys, tool, tmp_path):
    await tool.sync()
    other = replace(tool, path=tmp_path / "other.sqlite3")
    await say_stop(client, keys, ANN)
    await other.sync()
    [(old,)] = await tool.look("select cursor from list")
    tool.gate.spoil = _page_that_stays_at(old)
    with pytest.raises(DoNotSend, match="acknowledgement_backwards"):
        await tool.send(BOB)
    assert tool.sent == []


def _page_that_stays_at(cursor):
    def spoil(name, reply):
        if name != "GET feed":
            return reply
        page = json.loads(reply.body) | {"changes": [], "covers": [], "cursor": cursor}
        return replace(reply, body=json.dumps(page).encode())

    return spoil


async def test_its_key_is_not_shown_to_whoever_listens(tool):
    tool.gate.url = "http://stop.example.com"
    with pytest.raises(DoNotSend, match="https"):
        await tool.sync()


# --- Killed at any point -----------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("asked", ASKED)
async def test_killed_at_any_request_it_goes_on_where_it_was(client, keys, tool, asked, when):
    await say_stop(client, keys, ANN)
    killed = []

    async def kill(name, at):
        if (name, at) == (asked, when) and not killed:
            killed.append(name)
            process.kill()

    tool.gate.watch = kill
    mailing = ("send", "spring", "--topic", "news", "--message", "It is spring.")
    people = f"{ANN}\n{BOB}\n".encode()
    process = await tool.start(*mailing, stdin=people)
    await process.communicate()
    assert (process.returncode, killed) == (-9, [asked])
    [(applied,)] = await tool.look("select cursor from list")
    assert (await standing(client, keys))["cursor"] in {None, applied}
    assert (await tool.run(*mailing, stdin=people))[:2] == (0, [BOB])
    assert (await standing(client, keys))["owed_count"] == 0


async def test_killed_while_it_sends_no_message_goes_out_twice(tool):
    people = [f"person{n}@example.org" for n in range(200)]
    given = "\n".join(people).encode()
    mailing = ("send", "spring", "--topic", "news", "--message", "It is spring.")
    process = await tool.start(*mailing, stdin=given)
    first = await process.stdout.readline()
    process.kill()
    rest, _ = await process.communicate()
    status, second, _ = await tool.run(*mailing, stdin=given)
    written = written_to(first + rest) + second
    assert status == 0
    assert len(written) == len(set(written))
    noted = await tool.look("select address from message order by number")
    # The one that it was about to print may not have gone out; it is reported all the same.
    assert [address for (address,) in noted] == people
    assert len(written) >= len(people) - 1


# --- What was sent -----------------------------------------------------------------------------


async def test_what_was_sent_is_reported_once(tool):
    await tool.send(BOB, CAT)
    assert await tool.report() == []
    assert await tool.look("select verdict from message") == [("clear",), ("clear",)]
    assert await tool.report() == []
    assert tool.gate.passed.count("POST sends") == 1


async def test_a_violation_is_told(client, keys, tool):
    await tool.send(BOB, CAT)
    long_ago = (tool.now() - timedelta(days=60)).isoformat()
    said = await say_stop(client, keys, BOB, received_at=long_ago)
    [violation] = await tool.report()
    assert (violation["verdict"], violation["opt_out_id"]) == ("violation", said["opt_out_id"])
    assert violation["case_id"]


async def test_a_violation_ends_the_command_with_2(client, keys, tool):
    await tool.send(BOB)
    long_ago = (tool.now() - timedelta(days=60)).isoformat()
    await say_stop(client, keys, BOB, received_at=long_ago)
    status, _, complaint = await tool.run("report")
    assert (status, BOB in complaint) == (2, False)
    assert json.loads(complaint)["verdict"] == "violation"
    assert (await tool.run("report"))[0] == 0


async def test_what_was_refused_is_reported_again_until_it_is_mended(tool):
    await tool.send(BOB)
    await tool.look("update message set mailing = 'forgotten'")
    for _ in range(2):
        [refused] = await tool.report()
        assert (refused["verdict"], refused["code"]) == ("refused", "unknown_mailing")
    await tool.look("update message set mailing = 'spring'")
    assert await tool.report() == []
    assert await tool.look("select verdict from message") == [("clear",)]


@pytest.mark.parametrize("cut", CUTS)
async def test_a_report_that_was_not_answered_to_the_end_is_made_again(tool, cut):
    await tool.send(BOB, CAT)
    tool.gate.spoil = lambda _name, reply: replace(reply, body=cut(reply.body))
    with pytest.raises(DoNotSend):
        await tool.report()
    assert await tool.look("select verdict from message") == [(None,), (None,)]
    tool.gate.spoil = lambda _name, reply: reply
    assert await tool.report() == []
