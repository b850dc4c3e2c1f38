import asyncio
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from prefsvc import app, notices
from prefsvc.cursor import Cursor
from prefsvc.feeds import Span
from prefsvc.work.notices import write_notices
from tests.support.cast import ANN, ANNS_PHONE
from tests.support.register import act, address_in, record
from tests.support.watched import add_endpoint, add_sender
from tests.support.watched import notices as written

START = Cursor.start(UUID(int=1), 1)


@st.composite
def feeds_read(draw):
    """Spans of some buckets from a cursor on, and where in them a channel changed."""
    after, spans, changed = START, [], {}
    for bucket in sorted(draw(st.sets(st.integers(0, 63), max_size=5))):
        first = draw(st.integers(1, 50))
        last = first + draw(st.integers(0, 30))
        after = after.moved(bucket, first - 1)
        spans.append(Span(bucket, first, last))
        changed[bucket] = sorted(draw(st.sets(st.integers(first, last))))
    return after, spans, changed


@given(feeds_read(), st.integers(1, 10))
def test_portions_hold_every_change_once_and_leave_no_hole(read, most):
    after, spans, changed = read
    place = after
    held = []
    for portion in notices.portions(after, spans, changed, most):
        here = [
            (span.bucket, position)
            for span in portion.spans
            for position in changed[span.bucket]
            if span.first <= position <= span.last
        ]
        assert 1 <= len(here) <= most
        held += here
        for span in portion.spans:
            assert span.first == place.positions[span.bucket] + 1 <= span.last + 1
            place = place.moved(span.bucket, span.last)
        assert portion.cursor == place
    assert held == [(span.bucket, one) for span in spans for one in changed[span.bucket]]


async def opt_out_ids(service):
    """Return what the notices tell of, as they would be sent now."""
    found = []
    async with service.database.read() as tx:
        [endpoint] = await notices.behind(tx, service.book.get("acme")) or [None]
        assert endpoint is None
        rows = await tx.conn.fetch("select endpoint_id from endpoint")
        endpoint = await notices.endpoints.find(
            tx, service.book.get("acme"), rows[0]["endpoint_id"]
        )
        for _, data in await written(service):
            body = await notices.body_of(tx, service.vault, endpoint, data)
            found += [str(one["opt_out_id"]) for one in body["changes"]]
    return found


async def write_all(service):
    """Write notices until nothing is left to write."""
    service.bell.rung.set()
    while service.bell.rung.is_set():
        service.bell.rung.clear()
        await write_notices(service)


def limited(service, **limits):
    service.settings = service.settings.model_copy(update=limits)
    return service


async def test_pieces_of_any_size_tell_of_every_change_once(service):
    limited(service, notice_positions_max=3)
    await add_endpoint(service, "suppression")
    recorded = await record(service, *(act(service, f"p{n}@example.org") for n in range(20)))
    await write_all(service)
    ids = await opt_out_ids(service)
    assert sorted(ids) == sorted(str(one.event_id) for one in recorded)


async def test_any_number_of_processes_tell_of_a_change_once(service, database_url):
    await add_endpoint(service, "suppression")
    async with app.opened(service.settings, service.vault, database_url) as another:
        recorded = []
        for n in range(10):
            recorded += await record(service, act(service, f"p{n}@example.org"))
            await asyncio.gather(*(write_notices(one) for one in [service, another] * 3))
        await write_all(another)
    ids = await opt_out_ids(service)
    assert sorted(ids) == sorted(str(one.event_id) for one in recorded)


async def test_while_too_much_waits_for_an_endpoint_its_place_in_the_feed_waits(service):
    limited(service, endpoint_backlog_max=2, notice_positions_max=1)
    await add_endpoint(service, "suppression")
    await record(service, *(act(service, f"p{n}@example.org") for n in range(5)))
    await write_all(service)
    assert len(await written(service)) == 2
    await service.database.pool.execute(
        "update delivery set state = 'delivered', next_attempt_at = null, finished_at = now()"
    )
    await write_all(service)
    assert len(await written(service)) == 4


async def test_what_is_of_no_concern_moves_the_place_without_a_notice(service):
    await add_sender(service)
    await add_endpoint(service, "suppression", sender="mailer")
    await record(service, act(service, ANNS_PHONE, channel="sms"))
    await write_all(service)
    assert await written(service) == []
    async with service.database.read() as tx:
        assert await notices.behind(tx, service.book.get("acme")) == []


async def test_saying_it_twice_tells_of_it_once(service):
    await add_endpoint(service, "suppression")
    for _ in range(3):
        await record(service, act(service, ANN))
        await write_all(service)
    assert len(await written(service)) == 1


async def test_a_disabled_endpoint_goes_on_from_where_it_was(service):
    await add_endpoint(service, "suppression")
    await service.database.pool.execute(
        "update endpoint set disabled_at = now(), disabled_why = 'a test'"
    )
    [made] = await record(service, act(service, ANN))
    await write_all(service)
    assert await written(service) == []
    await service.database.pool.execute(
        "update endpoint set disabled_at = null, disabled_why = null"
    )
    await write_all(service)
    assert await opt_out_ids(service) == [str(made.event_id)]


async def test_of_a_retired_sender_nothing_is_written(service):
    await add_sender(service)
    await add_endpoint(service, "suppression", sender="mailer")
    await service.database.pool.execute("update sender set retired_at = now()")
    await record(service, act(service, ANN))
    await write_all(service)
    assert await written(service) == []


async def test_a_notice_of_another_history_says_so_instead_of_naming_others(service):
    made = await add_endpoint(service, "suppression")
    await record(service, act(service, address_in(service, 7)))
    await write_all(service)
    [(_, data)] = await written(service)
    await service.database.pool.execute("update installation set feed_epoch = $1", UUID(int=7))
    async with service.database.read() as tx:
        body = await notices.body_of(tx, service.vault, made, data)
    assert body["changes"] == []
    assert "restored" in body["detail"]
