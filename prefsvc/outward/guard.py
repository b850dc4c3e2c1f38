"""Where webhooks may go: to the public internet, and to networks that the operator names.

Whoever may register an endpoint could otherwise make prefsvc call what only it can reach. Names are
resolved and checked when an endpoint is made, and the address that is really connected to is
checked again at each connection, so a name that changes its mind (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias

from aiohttp import AddrInfoType
from yarl import URL

from prefsvc.errors import InvalidTarget, TargetForbidden
from prefsvc.settings import Settings

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

URL_LENGTH_MAX: Final = 2048
_HTTPS_PORT: Final = 443
_FIRST_UNPRIVILEGED_PORT: Final = 1024
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SPECIAL: Final = tuple(
    # Of IANA's registries of special-purpose addresses: what some Pythons take for global.
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")
)


class ForbiddenAddressError(OSError):
    """The address to be connected to is not one that webhooks may go to."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Which addresses may be connected to: public ones unless only our own may be, and our own."""

    own_networks: Sequence[Network]
    is_public_allowed: bool

    def allows(self, address: Address, port: int) -> bool:
        """Say whether this address and port may be connected to."""
        effective = behind(address)
        if any(effective in network for network in self.own_networks):
            return True
        # Ports below 1024 other than that of https belong to other services, mail above all.
        is_port_allowed = port == _HTTPS_PORT or port >= _FIRST_UNPRIVILEGED_PORT
        return self.is_public_allowed and is_port_allowed and is_public(effective)

    def socket(self, info: AddrInfoType) -> socket.socket:
        """Make the socket for a connection, or refuse: aiohttp connects to no other address."""
        family, kind, protocol, _, place = info
        if not self.allows(ipaddress.ip_address(str(place[0])), int(place[1])):
            raise ForbiddenAddressError
        return socket.socket(family, kind, protocol)


def behind(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: Address) -> bool:
    """Say whether an address is of the public internet.

    IPv6 addresses are public if they are said to be; what stands outside of 2000::/3 is not.
    """
    is_unicast = address.is_global and not address.is_multicast and not address.is_reserved
    is_special = any(address in network for network in _SPECIAL)
    is_v4 = isinstance(address, IPv4Address)
    return is_unicast and not is_special and (is_v4 or address in _PUBLIC_V6)


def guard_for(settings: Settings, scheme: str) -> Guard:
    """Return the guard of a scheme: without TLS only your own networks can be reached."""
    return Guard(settings.outward_networks_allowed, is_public_allowed=scheme == "https")


async def checked_url(settings: Settings, text: str) -> str:
    """Return the URL of a webhook in its normal spelling, or refuse it with what to do."""
    url = _parsed(text)
    guard = guard_for(settings, url.scheme)
    for address in await _resolved(settings, url):
        if not guard.allows(address, url.port or 0):
            raise _forbidden(settings, url, address)
    return str(url)


def _parsed(text: str) -> URL:
    try:
        url = URL(text)
        port = url.port
    except ValueError:
        raise InvalidTarget("This is not a URL; give one like https://example.com/hook.") from None
    if url.scheme not in {"https", "http"} or not url.host or not port:
        raise InvalidTarget("A webhook needs an https:// URL with a host.")
    if url.user is not None or url.password is not None:
        raise InvalidTarget("Leave user name and password out of the URL; notices are signed.")
    if len(str(url)) > URL_LENGTH_MAX or url.fragment:
        raise InvalidTarget(f"Give a URL of at most {URL_LENGTH_MAX} characters, without #.")
    return url


async def _resolved(settings: Settings, url: URL) -> list[Address]:
    try:
        async with asyncio.timeout(settings.delivery_timeout_seconds):
            found = await asyncio.get_running_loop().getaddrinfo(
                url.host, url.port, type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError):  # no such name, no answer in time, or no name at all
        raise InvalidTarget(
            "The host of this URL is not found in the DNS; check its spelling, or try later."
        ) from None
    return [ipaddress.ip_address(str(place[0])) for *_, place in found]


def _forbidden(settings: Settings, url: URL, address: Address) -> TargetForbidden | InvalidTarget:
    if guard_for(settings, "https").allows(address, url.port or 0):
        return InvalidTarget("On the public internet webhooks need https://.")
    if is_public(behind(address)):
        return InvalidTarget("Take port 443, or one from 1024 on.")
    return TargetForbidden()
