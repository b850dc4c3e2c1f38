"""Mailings by API: which list each was sent to, and whether it may still go out."""

from typing import Annotated, Any

import msgspec
from aiohttp import web

from prefsvc import mailings
from prefsvc.cursor import Cursor
from prefsvc.errors import UnknownMailing
from prefsvc.mailings import Mailing
from prefsvc.senders import Clearance
from prefsvc.suppression import MessageClass
from prefsvc.web.auth import admitted
from prefsvc.web.body import Strict, answer, query, read_json, whole_number
from prefsvc.web.opt_out_api import Text, moment
from prefsvc.web.sender_named import sender_named

PAGE_DEFAULT = 100
PAGE_MAX = 1000

MailingName = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=200, pattern="^[^\\x00-\\x20\\x7f/.][^\\x00-\\x20\\x7f/]*\\Z"
    ),
]


class MailingBody(Strict, frozen=True, kw_only=True):
    """A mailing, the cursor of its list, and what its messages are."""

    mailing: MailingName
    cursor: Annotated[str, msgspec.Meta(min_length=1)]
    topic: Text | None = None
    message_class: MessageClass | None = None


async def post_mailing(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/mailings."""
    entry = await admitted(request, "sender")
    body = await read_json(request, MailingBody)
    cursor = Cursor.parse(body.cursor)
    async with entry.service.database.transaction() as tx:
        sender = await sender_named(tx, entry, None)
        mailing, is_new = await mailings.register(
            tx,
            entry.brand,
            sender,
            body.mailing,
            cursor,
            topic=body.topic,
            message_class=body.message_class,
        )
        clearance = await mailings.clearance(
            tx, entry.service.obligations, entry.brand, sender, mailing
        )
    document = _document(sender.slug, mailing) | _clearance_document(clearance)
    return answer(document, status=201 if is_new else 200)


async def get_mailings(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/mailings: a sender's newest."""
    entry = await admitted(request, "sender", "operator")
    given = query(request, "sender", "limit")
    limit = given.get("limit", str(PAGE_DEFAULT))
    size = whole_number(limit, name="limit", at_least=1, at_most=PAGE_MAX)
    async with entry.service.database.read() as tx:
        sender = await sender_named(tx, entry, given.get("sender"))
        newest = await mailings.newest(tx, entry.brand, sender, size=size)
    return answer({"mailings": [_document(sender.slug, one) for one in newest]})


async def get_mailing(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/mailings/{mailing}: one, and whether it may still go out."""
    entry = await admitted(request, "sender", "operator")
    given = query(request, "sender")
    name = request.match_info["mailing"]
    if "\0" in name:
        raise UnknownMailing  # PostgreSQL could not even be asked
    async with entry.service.database.read() as tx:
        sender = await sender_named(tx, entry, given.get("sender"))
        mailing = await mailings.find(tx, entry.brand, sender, name)
        clearance = await mailings.clearance(
            tx, entry.service.obligations, entry.brand, sender, mailing
        )
    return answer(_document(sender.slug, mailing) | _clearance_document(clearance))


def _document(sender: str, mailing: Mailing) -> dict[str, Any]:
    return {
        "sender": sender,
        "mailing": mailing.name,
        "cursor": str(mailing.cursor),
        "topic": mailing.topic,
        "message_class": mailing.message_class,
        "registered_at": moment(mailing.registered_at),
    }


def _clearance_document(clearance: Clearance) -> dict[str, Any]:
    return {
        "clearance": clearance.is_given,
        "as_of": moment(clearance.as_of),
        "valid_until": moment(clearance.until),
        "missing": clearance.missing,
        "owed_count": clearance.standing.owed.count,
        "next_deadline_at": moment(clearance.standing.owed.deadline_at),
    }
