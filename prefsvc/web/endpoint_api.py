"""Endpoints by API: where notices go."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from aiohttp import web

from prefsvc import endpoints, senders
from prefsvc.db.connection import Tx
from prefsvc.endpoints import Endpoint, EventKind, Wanted
from prefsvc.errors import InvalidEndpoint, NotAllowed, UnknownEndpoint
from prefsvc.outward.guard import URL_LENGTH_MAX, checked_url
from prefsvc.outward.mail import checked_mailbox
from prefsvc.web.auth import Entry, admitted
from prefsvc.web.body import Strict, answer, read_json
from prefsvc.web.opt_out_api import moment


class EndpointBody(Strict, frozen=True, kw_only=True):
    """Where notices are to go, and which; either a URL or a mailbox."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=URL_LENGTH_MAX)] | None = None
    mail: Annotated[str, msgspec.Meta(min_length=1, max_length=320)] | None = None
    events: Annotated[list[EventKind], msgspec.Meta(min_length=1, max_length=2)]
    sender: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] | None = None
    with_addresses: bool = False


async def post_endpoint(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/endpoints: add one; its secret is shown this once."""
    entry = await admitted(request, "operator", "sender")
    body = await read_json(request, EndpointBody)
    _check_caller(entry, body)
    wanted = await _wanted(entry, body)
    service = entry.service
    async with service.database.transaction() as tx:
        made, secret = await endpoints.add(tx, service.vault, service.settings, entry.brand, wanted)
        document = await _documents(tx, entry, [made])
    return answer(document[0] | {"secret": secret}, status=201)


def _check_caller(entry: Entry, body: EndpointBody) -> None:
    if entry.caller.role == "operator":
        return
    if body.sender not in {None, entry.caller.sender_slug} or body.events != ["suppression"]:
        raise NotAllowed("A sender's key is for endpoints of its own that ask for suppressions.")


async def _wanted(entry: Entry, body: EndpointBody) -> Wanted:
    settings = entry.service.settings
    sender_id = entry.caller.sender_id
    if body.sender is not None and sender_id is None:
        async with entry.service.database.read() as tx:
            sender_id = (await senders.find(tx, entry.brand, body.sender)).sender_id
    events = tuple(body.events)
    if body.url is not None and body.mail is None:
        target = await checked_url(settings, body.url)
        return Wanted("webhook", target, events, sender_id, body.with_addresses)
    if body.mail is not None and body.url is None:
        target = checked_mailbox(settings, body.mail)
        return Wanted("mail", target, events, sender_id, body.with_addresses)
    raise InvalidEndpoint("Name either a url or a mail address.")


async def get_endpoints(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/endpoints: a sender's key sees its own."""
    entry = await admitted(request, "operator", "sender")
    async with entry.service.database.read() as tx:
        found = await endpoints.every(tx, entry.brand, sender_id=entry.caller.sender_id)
        mine = [one for one in found if _is_open_to(entry, one)]
        documents = await _documents(tx, entry, mine)
    return answer({"endpoints": documents})


async def get_endpoint(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/endpoints/{endpoint_id}."""
    entry = await admitted(request, "operator", "sender")
    async with entry.service.database.read() as tx:
        documents = await _documents(tx, entry, [await endpoint_of(tx, request, entry)])
    return answer(documents[0])


async def delete_endpoint(request: web.Request) -> web.Response:
    """DELETE /v1/brands/{brand}/endpoints/{endpoint_id}: with all that is on its way there."""
    entry = await admitted(request, "operator", "sender")
    async with entry.service.database.transaction() as tx:
        await endpoints.remove(tx, await endpoint_of(tx, request, entry))
    return web.Response(status=204, headers={"Cache-Control": "no-store"})


async def post_enable(request: web.Request) -> web.Response:
    """POST …/enable: try it again, after it was disabled."""
    entry = await admitted(request, "operator", "sender")
    async with entry.service.database.transaction() as tx:
        await endpoints.enable(tx, await endpoint_of(tx, request, entry))
        documents = await _documents(tx, entry, [await endpoint_of(tx, request, entry)])
    return answer(documents[0])


async def post_secret(request: web.Request) -> web.Response:
    """POST …/secret: another secret, shown this once."""
    entry = await admitted(request, "operator", "sender")
    async with entry.service.database.transaction() as tx:
        endpoint = await endpoint_of(tx, request, entry)
        secret, until = await endpoints.rotate(tx, entry.service.vault, endpoint)
    return answer({"secret": secret, "previous_until": moment(until)})


async def endpoint_of(tx: Tx, request: web.Request, entry: Entry) -> Endpoint:
    """Return the endpoint of the path; one that is not the caller's is as unknown as none."""
    try:
        endpoint_id = UUID(request.match_info["endpoint_id"])
    except ValueError:
        raise UnknownEndpoint from None
    endpoint = await endpoints.find(tx, entry.brand, endpoint_id)
    if not _is_open_to(entry, endpoint):
        raise UnknownEndpoint
    return endpoint


def _is_open_to(entry: Entry, endpoint: Endpoint) -> bool:
    """Say whether the caller may know of it: a sender only of its own, and of no alarms."""
    if entry.caller.role == "operator":
        return True
    # Alarms about a sender are the operator's, though the endpoint is bound to the sender.
    return endpoint.sender_id == entry.caller.sender_id and endpoint.events == ("suppression",)


async def _documents(tx: Tx, entry: Entry, found: Sequence[Endpoint]) -> list[dict[str, Any]]:
    names = {one.sender_id: one.slug for one in await senders.every(tx, entry.brand)}
    return [
        {
            "endpoint_id": str(one.endpoint_id),
            "kind": one.kind,
            "target": one.target,
            "events": one.events,
            "sender": names[one.sender_id] if one.sender_id else None,
            "with_addresses": one.with_addresses,
            "created_at": moment(one.created_at),
            "disabled_at": moment(one.disabled_at),
            "disabled_why": one.disabled_why,
        }
        for one in found
    ]
