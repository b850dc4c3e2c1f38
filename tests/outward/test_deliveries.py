import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from structlog.testing import capture_logs

from prefsvc import app, deliveries, endpoints, metrics
from prefsvc.deliveries import Notice
from prefsvc.doors import Service
from prefsvc.work import deliveries as work
from tests.support.endpoints import ENDPOINTS, add_endpoint, log_of, send
from tests.support.lists import problem
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until


@pytest.fixture
def settings(settings):
    return settings.model_copy(
        update={
            "outward_networks_allowed": (ip_network("127.0.0.0/8"),),
            "delivery_jitter_percent": 0.0,
            "delivery_seconds": 0.05,
            "delivery_timeout_seconds": 5.0,
        }
    )


@dataclass
class Office:
    """A service, a receiver, and the endpoint of acme's that leads there."""

    client: TestClient
    headers: dict[str, str]
    service: Service
    receiver: Receiver
    endpoint: dict

    async def call(self, method, *more, **body):
        url = "/".join((ENDPOINTS, self.endpoint["endpoint_id"], *more))
        return await self.client.request(method, url, headers=self.headers, json=body or None)

    async def log(self):
        return await log_of(self.client, self.headers, self.endpoint)

    async def logged(self, *, attempts=None, state=None):
        """Wait until the newest delivery has so many attempts in the log, or a state; return it."""

        async def newest():
            [first, *_] = await self.log()
            is_so = len(first["attempts"]) == attempts if attempts else first["state"] == state
            return first if is_so else None

        return await until(newest)

    async def execute(self, statement, *values):
        """Do something by hand in the database, then let the loop look."""
        await self.service.database.pool.execute(statement, *values)
        self.service.enqueued.set()


@pytest.fixture
async def office(client, keys, service):
    async with receiving() as receiver:
        endpoint = await add_endpoint(client, keys.operator, url=receiver.url)
        yield Office(client, keys.operator, service, receiver, endpoint)


def wait_of(one):
    """How long after its last attempt a delivery is sent next, in seconds."""
    last = datetime.fromisoformat(one["attempts"][-1]["attempted_at"])
    return (datetime.fromisoformat(one["next_attempt_at"]) - last).total_seconds()


async def test_what_is_answered_with_2xx_is_delivered(office):
    office.receiver.answers = [202]
    [name] = await send(office.service)
    one = await office.logged(state="delivered")
    assert (one["delivery_id"], one["next_attempt_at"], one["failed_why"]) == (name, None, None)
    [attempt] = one["attempts"]
    assert (attempt["attempt"], attempt["status"], attempt["outcome"]) == (1, 202, "delivered")
    assert one["finished_at"]


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_what_fails_is_tried_again_under_the_same_id(office, clock, status):
    office.receiver.answers = [status]
    [name] = await send(office.service)
    one = await office.logged(attempts=1)
    assert one["state"] == "pending"
    assert wait_of(one) == pytest.approx(5, abs=1)
    clock.move(seconds=6)
    one = await office.logged(state="delivered")
    assert [attempt["status"] for attempt in one["attempts"]] == [status, 204]
    first, second = office.receiver.arrived
    assert first.webhook_id == second.webhook_id == name
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) >= int(first.headers["webhook-timestamp"]) + 6
    assert second.is_signed_by(office.endpoint["secret"])


async def test_after_the_last_attempt_it_has_failed_and_is_counted(office, clock):
    office.receiver.answers = [500] * 10
    await send(office.service)
    started = office.service.now()
    for attempts in range(1, 10):
        one = await office.logged(attempts=attempts)
        clock.move(seconds=wait_of(one))
    one = await office.logged(state="failed")
    assert len(one["attempts"]) == 10
    assert "10 attempts" in one["failed_why"]
    assert timedelta(hours=75, minutes=35) < office.service.now() - started < timedelta(hours=76)
    await work.count_backlog(office.service)
    assert metrics.DELIVERIES_FAILED._value.get() == 1
    assert metrics.DELIVERIES_PENDING._value.get() == 0


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_who_asks_for_time_is_given_it(office, status):
    async def later(_):
        return web.Response(status=status, headers={"Retry-After": "120"})

    office.receiver.answers = [later]
    await send(office.service)
    one = await office.logged(attempts=1)
    assert wait_of(one) == pytest.approx(120, abs=1)


async def test_who_is_gone_is_left_alone_until_enabled_again(office, clock):
    office.receiver.answers = [500, 500, 410]
    await send(office.service, count=2)
    await until(lambda: _are_tried(office, 2))
    await send(office.service)
    await office.logged(state="failed")
    every = await office.log()
    assert {one["state"] for one in every} == {"failed"}
    assert {one["failed_why"] for one in every} == {"It answered 410: it wants no more."}
    reply = await office.call("GET")
    assert (await reply.json())["disabled_why"] == "It answered 410: it wants no more."
    assert await send(office.service) == []
    for what in ("test", f"deliveries/{every[0]['delivery_id']}/replay"):
        reply = await office.call("POST", what)
        assert await problem(reply) == (409, "endpoint_disabled")
    reply = await office.call("POST", "enable")
    assert (await reply.json())["disabled_at"] is None
    since = (office.service.now() - timedelta(hours=1)).isoformat()
    reply = await office.call("POST", "replay", since=since)
    assert (reply.status, await reply.json()) == (202, {"replayed_count": 3})
    arrived = await office.receiver.wait_for(6)
    assert {one.webhook_id for one in arrived[3:]} == {one["delivery_id"] for one in every}


async def _are_tried(office, count):
    every = await office.log()
    return len(every) == count and all(len(one["attempts"]) == 1 for one in every)


async def test_what_came_between_the_410_and_the_queue_fails_too(office):
    office.receiver.answers = [410]
    await send(office.service)
    await office.logged(state="failed")
    # As if a transaction had looked for endpoints before and committed after.
    await office.execute(
        "update delivery set state = 'pending', next_attempt_at = created_at, finished_at = null,"
        " failed_why = null"
    )
    await office.logged(state="failed")
    assert len(office.receiver.arrived) == 1


async def test_what_was_delivered_can_be_sent_again_and_its_schedule_begins_anew(office):
    [name] = await send(office.service)
    await office.logged(state="delivered")
    office.receiver.answers = [500]
    reply = await office.call("POST", "deliveries", name, "replay")
    assert (reply.status, await reply.json()) == (202, {"delivery_id": name})
    one = await office.logged(attempts=2)
    assert one["state"] == "pending"
    assert wait_of(one) == pytest.approx(5, abs=1)
    assert {arrived.webhook_id for arrived in office.receiver.arrived} == {name}


async def test_only_what_failed_since_then_is_sent_again(office, clock):
    [old] = await send(office.service)
    await office.logged(state="delivered")
    await _fail(office, old)
    clock.move(days=2)
    [new] = await send(office.service)
    await office.logged(state="delivered")
    await _fail(office, new)
    since = (office.service.now() - timedelta(days=1)).isoformat()
    reply = await office.call("POST", "replay", since=since)
    assert await reply.json() == {"replayed_count": 1}
    arrived = await office.receiver.wait_for(3)
    assert [one.webhook_id for one in arrived] == [old, new, new]


async def _fail(office, name):
    await office.execute(
        "update delivery set state = 'failed', failed_why = 'x' where delivery_id = $1", name
    )


async def test_a_receiver_that_hangs_holds_up_no_other(office):
    async def hang(_):
        await released.wait()
        return web.Response()

    released = asyncio.Event()
    async with receiving() as slow:
        slow.answers = [hang] * 20
        await add_endpoint(office.client, office.headers, url=slow.url)
        await send(office.service, count=20)
        arrived = await office.receiver.wait_for(20)
        assert len({one.webhook_id for one in arrived}) == 20
        most = office.service.settings.deliveries_per_endpoint_max
        assert len(slow.arrived) == most
        released.set()
        await slow.wait_for(20)


async def test_a_claim_that_ran_out_is_taken_over_under_the_same_id(office, clock):
    """As after a SIGKILL between sending and writing down."""
    [name] = await send(office.service)
    await office.logged(state="delivered")
    claimed_until = office.service.now() + timedelta(seconds=10)
    await office.execute(
        "update delivery set state = 'pending', next_attempt_at = created_at, finished_at = null,"
        " claimed_until = $1",
        claimed_until,
    )
    await send(office.service, number="another")
    await office.receiver.wait_for(2)
    assert [one.webhook_id for one in office.receiver.arrived].count(name) == 1
    clock.move(seconds=11)
    await office.receiver.wait_for(3)
    assert [one.webhook_id for one in office.receiver.arrived].count(name) == 2


async def test_an_attempt_whose_claim_was_taken_over_writes_only_that_it_is_delivered(office):
    async def taken_over(_):
        await office.execute(
            "update delivery set claimed_until = claimed_until + interval '1 hour'"
        )
        return web.Response(status=statuses.pop(0))

    statuses = [500, 204]
    office.receiver.answers = [taken_over]
    await send(office.service)
    await office.receiver.wait_for(1)
    await until(_is_idle)
    [one] = await office.log()
    assert (one["state"], one["attempts"]) == ("pending", [])
    office.receiver.answers = [taken_over]
    await office.execute("update delivery set claimed_until = null")
    one = await office.logged(state="delivered")
    assert [attempt["status"] for attempt in one["attempts"]] == [204]


async def _is_idle():
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == "delivery"]
    return not tasks


@asynccontextmanager
async def another_process(settings, vault, dsn, clock):
    """A second service beside the first, on the same database."""
    async with app.opened(settings, vault, dsn, clock=clock) as service:
        runner = web.AppRunner(app.build(service))
        await runner.setup()
        try:
            yield service
        finally:
            await runner.cleanup()


async def test_several_processes_send_nothing_twice(office, settings, vault, database_url, clock):
    async def slowly(_):
        await asyncio.sleep(0)
        return web.Response()

    office.receiver.answers = [slowly] * 300
    async with AsyncExitStack() as others:
        for _ in range(2):
            await others.enter_async_context(another_process(settings, vault, database_url, clock))
        ids = await send(office.service, count=100)
        await office.receiver.wait_for(100)
        await until(lambda: _is_all_delivered(office))
    counts = Counter(one.webhook_id for one in office.receiver.arrived)
    assert counts == dict.fromkeys(ids, 1)


async def _is_all_delivered(office):
    return not await office.service.database.pool.fetchval(
        "select count(*) from delivery where state <> 'delivered'"
    )


async def test_with_another_sealing_key_nothing_goes_out_unsigned(office):
    await office.execute(
        "update endpoint set sealed_secret = set_byte(sealed_secret, 0, "
        "get_byte(sealed_secret, 0) # 1)"
    )
    await send(office.service)
    one = await office.logged(attempts=1)
    assert one["attempts"][0]["outcome"] == "not_signed"
    assert office.receiver.arrived == []


async def test_what_cannot_be_written_is_counted_and_ends_with_the_schedule(office, clock):
    await send(office.service, notice_type="suppression.changed")  # it has none of its data
    for attempts in range(1, 10):
        one = await office.logged(attempts=attempts)
        clock.move(seconds=wait_of(one))
    one = await office.logged(state="failed")
    assert {attempt["outcome"] for attempt in one["attempts"]} == {"not_made"}
    assert "not_made" in one["failed_why"]
    assert office.receiver.arrived == []


async def test_disabled_endpoints_are_given_up_one_after_another(office, clock):
    """Whoever has the last of them in hand meanwhile waits for none of the others."""
    pool = office.service.database.pool
    for _ in range(5):
        await add_endpoint(office.client, office.headers, url=office.receiver.url)
    faults = metrics.LOOP_FAULTS.labels("deliveries")._value.get()
    async with office.service.database.transaction() as tx:
        brand = office.service.book.get("acme")
        await deliveries.enqueue(
            tx, await endpoints.every(tx, brand), Notice("alarm.half", tx.now, {})
        )
        await tx.conn.execute("update delivery set next_attempt_at = created_at + interval '1 h'")
        await tx.conn.execute("update endpoint set disabled_at = now(), disabled_why = 'a test'")
    locking = "select 1 from delivery order by endpoint_id desc {} for update"
    async with office.service.database.transaction() as tx:
        await tx.conn.execute(locking.format("limit 1"))
        clock.move(hours=2)
        office.service.enqueued.set()
        await until(lambda: pool.fetchval("select true from pg_locks where not granted limit 1"))
        await tx.conn.execute(locking.format("offset 1"))
    await until(lambda: _are_given_up(office))
    assert metrics.LOOP_FAULTS.labels("deliveries")._value.get() == faults


async def _are_given_up(office):
    return not await office.service.database.pool.fetchval(
        "select count(*) from delivery where state <> 'failed'"
    )


async def test_an_endpoint_that_was_enabled_meanwhile_is_not_given_up(office):
    office.receiver.answers = [500]
    await send(office.service)
    await office.logged(attempts=1)
    async with office.service.database.transaction() as tx:
        brand = office.service.book.get("acme")
        [endpoint] = await endpoints.every(tx, brand)
        await endpoints.give_up_disabled(tx, endpoint.endpoint_id)
    [one] = await office.log()
    assert one["state"] == "pending"


async def test_an_endpoint_keeps_the_first_reason_for_which_it_was_disabled(office):
    async with office.service.database.transaction() as tx:
        [endpoint] = await endpoints.every(tx, office.service.book.get("acme"))
        for why in ("the first", "the second"):
            await endpoints.disable(tx, endpoint.endpoint_id, why)
    reply = await office.call("GET")
    assert (await reply.json())["disabled_why"] == "the first"


async def test_however_much_is_to_be_forgotten_it_is_in_pieces(office, clock, monkeypatch):
    monkeypatch.setattr(work, "_FORGOTTEN_AT_ONCE", 2)
    await send(office.service, count=5)
    await until(lambda: _is_all_delivered(office))
    clock.move(days=31)
    await work.count_backlog(office.service)
    assert await office.log() == []


async def test_what_ended_long_ago_is_forgotten_and_what_is_pending_is_not(office, clock):
    await send(office.service)
    await office.logged(state="delivered")
    office.receiver.answers = [500] * 5
    await send(office.service)
    await office.logged(attempts=1)
    clock.move(days=31)
    await work.count_backlog(office.service)
    [left] = await office.log()
    assert left["state"] != "delivered"


async def test_the_age_of_the_oldest_that_waits_is_measured(office, clock):
    office.receiver.answers = [500] * 20
    await work.count_backlog(office.service)
    assert metrics.DELIVERY_OLDEST._value.get() == 0
    await send(office.service)
    await office.logged(attempts=1)
    clock.move(seconds=90)
    await work.count_backlog(office.service)
    assert metrics.DELIVERY_OLDEST._value.get() == pytest.approx(90, abs=10)
    assert metrics.DELIVERIES_PENDING._value.get() == 1


async def test_what_is_rolled_back_is_never_sent(office):
    async def begin_and_break_off():
        async with office.service.database.transaction() as tx:
            to = await endpoints.listening(tx, office.service.book.get("acme").brand_id, "alarm")
            await deliveries.enqueue(tx, to, Notice("alarm.half", tx.now, {}))
            raise LookupError

    with pytest.raises(LookupError):
        await begin_and_break_off()
    await send(office.service)
    await office.logged(state="delivered")
    assert len(office.receiver.arrived) == 1


async def test_neither_the_target_nor_the_secret_is_logged(office):
    office.receiver.answers = [500]
    with capture_logs() as lines:
        await send(office.service)
        await until(lambda: "delivery_attempt" in {line["event"] for line in lines})
        await office.call("POST", "secret")
    assert "/hook" not in str(lines)
    assert office.endpoint["secret"] not in str(lines)
    assert "whsec_" not in str(lines)
