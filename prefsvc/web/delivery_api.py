"""Deliveries by API: what became of each notice, and sending it off again."""

from typing import Any
from uuid import UUID

from aiohttp import web

from prefsvc import deliveries, delivery_log
from prefsvc.deliveries import DELIVERY_STATES, Notice
from prefsvc.delivery_log import Logged
from prefsvc.errors import EndpointDisabled, InvalidParameter, UnknownDelivery
from prefsvc.web.auth import admitted
from prefsvc.web.body import Strict, answer, one_of, query, read_json, whole_number
from prefsvc.web.endpoint_api import endpoint_of
from prefsvc.web.opt_out_api import Moment, moment

PAGE_DEFAULT = 100
PAGE_MAX = 1000


class ReplayBody(Strict, frozen=True, kw_only=True):
    """Since when what failed is to be sent off again."""

    since: Moment


async def post_test(request: web.Request) -> web.Response:
    """POST …/test: put a notice on its way that says nothing."""
    entry = await admitted(request, "operator", "sender")
    async with entry.service.database.transaction() as tx:
        endpoint = await endpoint_of(tx, request, entry)
        if endpoint.disabled_at is not None:
            raise EndpointDisabled
        notice = Notice("endpoint.test", tx.now, {"brand": entry.brand.slug})
        [delivery_id] = await deliveries.enqueue(tx, [endpoint], notice)
    entry.service.enqueued.set()
    return answer({"delivery_id": str(delivery_id)}, status=202)


async def get_deliveries(request: web.Request) -> web.Response:
    """GET …/deliveries: the log, the newest first."""
    entry = await admitted(request, "operator", "sender")
    given = query(request, "state", "limit", "after")
    asked = given.get("state")
    state = one_of(asked, name="state", allowed=DELIVERY_STATES) if asked is not None else None
    limit = given.get("limit", str(PAGE_DEFAULT))
    size = whole_number(limit, name="limit", at_least=1, at_most=PAGE_MAX)
    after = _after(given["after"]) if "after" in given else None
    # One snapshot, so that a delivery's state and its attempts agree.
    async with entry.service.database.read(snapshot=True) as tx:
        endpoint = await endpoint_of(tx, request, entry)
        page = await delivery_log.page(tx, endpoint, state=state, after=after, size=size)
    following = str(page[-1].delivery.delivery_id) if len(page) == size else None
    return answer({"deliveries": [_log_document(one) for one in page], "next": following})


def _after(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidParameter(
            "`after` is the `next` of the page before.", pointer="after"
        ) from None


async def post_delivery_replay(request: web.Request) -> web.Response:
    """POST …/deliveries/{delivery_id}/replay: send one off again, under the same id."""
    entry = await admitted(request, "operator", "sender")
    try:
        delivery_id = UUID(request.match_info["delivery_id"])
    except ValueError:
        raise UnknownDelivery from None
    async with entry.service.database.transaction() as tx:
        await delivery_log.replay(tx, await endpoint_of(tx, request, entry), delivery_id)
    entry.service.enqueued.set()
    return answer({"delivery_id": str(delivery_id)}, status=202)


async def post_replay(request: web.Request) -> web.Response:
    """POST …/replay: send off again what failed since a moment."""
    entry = await admitted(request, "operator", "sender")
    body = await read_json(request, ReplayBody)
    async with entry.service.database.transaction() as tx:
        endpoint = await endpoint_of(tx, request, entry)
        most = entry.service.settings.replays_at_once_max
        count = await delivery_log.replay_failed(tx, endpoint, body.since, at_most=most)
    entry.service.enqueued.set()
    return answer({"replayed_count": count}, status=202)


def _log_document(entry: Logged) -> dict[str, Any]:
    row = entry.delivery
    return {
        "delivery_id": str(row.delivery_id),
        "type": row.type,
        "state": row.state,
        "occurred_at": moment(row.occurred_at),
        "created_at": moment(row.created_at),
        "next_attempt_at": moment(row.next_attempt_at),
        "finished_at": moment(row.finished_at),
        "failed_why": row.failed_why,
        "attempts": [
            {
                "attempt": one.attempt,
                "attempted_at": moment(one.attempted_at),
                "took_ms": one.took_ms,
                "status": one.status,
                "outcome": one.outcome,
            }
            for one in entry.attempts
        ],
    }
