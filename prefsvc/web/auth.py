"""Who is calling: a key, a role, a brand; and nothing of any other brand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import BasicAuth, web

from prefsvc.address import CHANNELS, Channel
from prefsvc.api_keys import Caller, Role
from prefsvc.brands import AppliedBrand
from prefsvc.doors import SERVICE, Service
from prefsvc.errors import InvalidApiKey, InvalidParameter, NotAllowed
from prefsvc.web.body import one_of

IDENTIFIED: Final = web.RequestKey("identified", bool)
"""Set where the key of a request is good."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A request that was let in: to which brand's room, and who it is."""

    service: Service
    brand: AppliedBrand
    caller: Caller

    def channel(self, asked: str | None) -> Channel:
        """Return the channel it is about: a sender's own, or the one that an operator names."""
        if asked is not None:
            channel = one_of(asked, name="channel", allowed=CHANNELS)
            if self.caller.channel not in {None, channel}:
                raise NotAllowed("This sender's key is for another channel.")
            return channel
        if self.caller.channel is None:
            raise InvalidParameter(
                "An operator's key is for every channel; name one.", pointer="channel"
            )
        return self.caller.channel


async def identify(request: web.Request) -> Caller:
    """Return whose key the request bears, or refuse it."""
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidApiKey
    return await _whose(request, presented.strip())


async def admitted(request: web.Request, *roles: Role) -> Entry:
    """Let the caller into the brand of the path, or refuse.

    A key of one brand is told the same of every other, whether or not it exists.
    """
    return await _let_in(request, await identify(request), roles)


async def admitted_by_url(request: web.Request, *roles: Role) -> Entry:
    """Let in a caller, too, that can only be given a URL: the key is the password in it (Basic).

    It is taken where it comes and never asked for, so that no browser keeps and repeats it.
    """
    password = _password(request)
    caller = await (identify(request) if password is None else _whose(request, password))
    return await _let_in(request, caller, roles)


def _password(request: web.Request) -> str | None:
    header = request.headers.get("Authorization", "")
    if header.partition(" ")[0].lower() != "basic":
        return None
    try:
        shown = BasicAuth.decode(header, encoding="utf-8")
    except ValueError:
        raise InvalidApiKey from None
    return str(shown.password)


async def _whose(request: web.Request, presented: str) -> Caller:
    return await request.app[SERVICE].caller(presented)


async def _let_in(request: web.Request, caller: Caller, roles: Sequence[Role]) -> Entry:
    request[IDENTIFIED] = True
    service = request.app[SERVICE]
    if caller.role not in roles:
        raise NotAllowed
    slug = request.match_info["brand"]
    if caller.brand_id is None:
        return Entry(service, await service.brand(slug), caller)
    brand = service.book.by_slug.get(slug)
    if brand is None or brand.brand_id != caller.brand_id:
        raise NotAllowed
    return Entry(service, brand, caller)
