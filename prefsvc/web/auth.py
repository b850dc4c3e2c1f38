"""Who is calling: a key, a role, a brand; and nothing of any other brand."""

from dataclasses import dataclass

from aiohttp import web

from prefsvc import api_keys
from prefsvc.address import CHANNELS, Channel
from prefsvc.api_keys import Caller, Role
from prefsvc.brands import AppliedBrand
from prefsvc.doors import SERVICE, Service
from prefsvc.errors import InvalidApiKey, InvalidParameter, NotAllowed
from prefsvc.web.body import one_of


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
    async with request.app[SERVICE].database.read() as tx:
        return await api_keys.identify(tx, presented.strip())


async def admitted(request: web.Request, *roles: Role) -> Entry:
    """Let the caller into the brand of the path, or refuse.

    A key of one brand is told the same of every other, whether or not it exists.
    """
    service = request.app[SERVICE]
    caller = await identify(request)
    if caller.role not in roles:
        raise NotAllowed
    slug = request.match_info["brand"]
    if caller.brand_id is None:
        return Entry(service, await service.brand(slug), caller)
    brand = service.book.by_slug.get(slug)
    if brand is None or brand.brand_id != caller.brand_id:
        raise NotAllowed
    return Entry(service, brand, caller)
