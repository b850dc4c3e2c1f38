"""GET …/twilio: how far Twilio has been told of a brand's opt-outs."""

from typing import Any

from aiohttp import web

from prefsvc.consents import backlog
from prefsvc.consents.backlog import AccountBacklog, TargetBacklog, Waiting
from prefsvc.consents.pace import Estimate
from prefsvc.web.auth import admitted
from prefsvc.web.body import answer
from prefsvc.web.opt_out_api import moment


async def get_twilio(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/twilio."""
    entry = await admitted(request, "operator")
    service = entry.service
    async with service.database.read() as tx:
        found = await backlog.of_brand(tx, service.settings, service.book, entry.brand)
    if found is None:
        return answer({"account": None})
    has_token = bool(service.vault.twilio_credentials(found.account.name))
    return answer(_document(found, has_token=has_token))


def _document(found: AccountBacklog, *, has_token: bool) -> dict[str, Any]:
    account = found.account
    return {
        "account": account.name,
        "has_token": has_token,
        "answered_at": moment(account.answered_at),
        "failing_since": moment(account.failing_since),
        "failing_how": account.failing_how,
        "fresh": _lane_document(found.fresh, found.fresh_estimate),
        "backfill": _lane_document(found.backfill, found.backfill_estimate),
        "oldest_at": moment(found.oldest_at),
        "failed_count": found.failed_count,
        "errors": [{"error": error, "count": count} for error, count in found.errors],
        "targets": [_target_document(one) for one in found.targets],
    }


def _lane_document(waiting: Waiting, estimate: Estimate | None) -> dict[str, Any]:
    return _waiting_document(waiting) | {
        "next_deadline_at": moment(waiting.next_deadline_at),
        "through_at": moment(estimate.through_at) if estimate else None,
        "may_miss_deadline": estimate is not None and estimate.may_miss_deadline,
    }


def _waiting_document(waiting: Waiting) -> dict[str, Any]:
    return {"row_count": waiting.row_count, "position_count": waiting.position_count}


def _target_document(one: TargetBacklog) -> dict[str, Any]:
    return {
        "target": one.target,
        "fresh": _waiting_document(one.fresh),
        "backfill": _waiting_document(one.backfill),
        "oldest_at": moment(one.oldest_at),
        "failed_count": one.failed_count,
    }
