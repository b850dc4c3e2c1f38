"""From where a request comes: what our own proxies say of it, and nobody else."""

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Networks: TypeAlias = Sequence[IPv4Network | IPv6Network]

_ONE_CUSTOMER_BITS: Final = 64
"""Of an IPv6 address: within them, everybody has as many addresses as they like."""


def parsed(text: str) -> Address | None:
    """Read an address, with or without a port; one of IPv4 in IPv6 is one of IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_within(address: Address, networks: Networks) -> bool:
    """Say whether an address is in one of these networks."""
    return any(address in network for network in networks)


def caller(peer: str | None, forwarded: Iterable[str], trusted: Networks) -> Address | None:
    """Return from where somebody calls; None where only our proxy knows.

    Each proxy adds on the right who called it: what stands left of the first that is not ours,
    anybody may have written.
    """
    address = parsed(peer or "")
    said = [one for header in forwarded for one in header.split(",")]
    while address is not None and is_within(address, trusted):
        address = parsed(said.pop()) if said else None
    return address


def customer(address: Address) -> str:
    """Return what an address shares with all others of the same customer."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, _ONE_CUSTOMER_BITS), strict=False).network_address)
