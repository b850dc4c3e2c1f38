"""Reviews by API: doubtful replies, which operators decide."""

from typing import Any, Final, get_args
from uuid import UUID

from aiohttp import web

from prefsvc import reviews
from prefsvc.errors import InvalidParameter, UnknownReview
from prefsvc.reviews import Answer, Choice, Review, State
from prefsvc.settings import Settings
from prefsvc.web.auth import admitted
from prefsvc.web.body import Strict, answer, one_of, query, read_json, whole_number
from prefsvc.web.case_api import Words
from prefsvc.web.opt_out_api import moment

PAGE_DEFAULT = 100
PAGE_MAX = 1000
_STATES: Final[tuple[State, ...]] = get_args(State)


class DecisionBody(Strict, frozen=True, kw_only=True):
    """Whether the reply was a stop, and what else there is to say."""

    decision: Choice
    note: Words | None = None


async def get_reviews(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/reviews: the one that waits longest first, without anybody's words."""
    entry = await admitted(request, "operator")
    given = query(request, "state", "limit", "after")
    state = one_of(given["state"], name="state", allowed=_STATES) if "state" in given else None
    size = whole_number(
        given.get("limit", str(PAGE_DEFAULT)), name="limit", at_least=1, at_most=PAGE_MAX
    )
    after = _after(given)
    async with entry.service.database.read() as tx:
        page = await reviews.page(
            tx,
            entry.brand,
            state=state,
            after=await reviews.find(tx, entry.brand, after) if after else None,
            size=size,
        )
    settings = entry.service.settings
    following = str(page[-1].review_id) if len(page) == size else None
    return answer({"reviews": [_document(one, settings) for one in page], "next": following})


async def get_review(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/reviews/{review_id}: with the person's words."""
    entry = await admitted(request, "operator")
    async with entry.service.database.read() as tx:
        review = await reviews.find(tx, entry.brand, _review_id(request))
    address = review.recipient.address
    return answer(
        _document(review, entry.service.settings)
        # None after erasure: that somebody wrote is kept, who it was is not.
        | {"address": address.canonical if address else None, "evidence": review.evidence}
    )


async def post_decision(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/reviews/{review_id}/decision."""
    entry = await admitted(request, "operator")
    body = await read_json(request, DecisionBody)
    by = f"{entry.caller.label} (key {entry.caller.api_key_id})"
    decided = await entry.service.decide(
        entry.brand, _review_id(request), Answer(body.decision, by, body.note)
    )
    return answer(_document(decided, entry.service.settings))


def _after(given: dict[str, str]) -> UUID | None:
    try:
        return UUID(given["after"]) if "after" in given else None
    except ValueError:
        raise InvalidParameter("after must be what `next` gave.", pointer="after") from None


def _review_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["review_id"])
    except ValueError:
        raise UnknownReview from None


def _document(review: Review, settings: Settings) -> dict[str, Any]:
    return {
        "review_id": str(review.review_id),
        "channel": review.recipient.channel,
        "state": review.state,
        "asked_at": moment(review.asked_at),
        "due_at": moment(review.due_at(settings.review_age)),
        "rule": review.reading["rule"],
        "language": review.reading["language"],
        "scope": review.reading["scope"],
        "opt_out_id": str(review.opt_out_id) if review.opt_out_id else None,
        "consequence": review.consequence,
        "decided_at": moment(review.decided_at),
        "decided_by": review.decided_by,
        "note": review.note,
    }
