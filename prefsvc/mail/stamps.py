"""What your own mail servers stamped on a mail: Authentication-Results (RFC 8601), and Received.

Anybody can write these fields, so only the topmost count, and only while every Received above them
was written by a server of yours. Below the one that got the mail from outside, only what it stamped
beside it is read, and of each method only what the topmost field says, for a field that a stranger
wrote may stand right below.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from itertools import islice
from typing import Final, TypeAlias

from prefsvc.mail.authentication import (
    RESULTS,
    Authentication,
    Result,
    Signature,
    author_of,
    domain_of,
    is_given_by_name,
)
from prefsvc.mail.message import Entity

FIELD_CHARS_MAX: Final = 4096
STAMPS_MAX: Final = 20
"""More servers than any mail passes in one house."""
RESULTS_MAX: Final = 50

_Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = IPv4Network | IPv6Network

_STAMPS: Final = ("received", "authentication-results")
_PIECE: Final = re.compile(r'\\.|"(?:[^"\\]|\\.)*+"|[()]|[^()"\\]++|.', re.DOTALL)
_SEGMENT: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|;|[^";]++|.', re.DOTALL)
_METHOD: Final = re.compile(r"\s*([A-Za-z][\w-]{0,40})\s*(?:/\s*\d{1,5}\s*)?=\s*([A-Za-z]{1,20})")
_PROPERTY: Final = re.compile(
    r'(?<![\w.-])([A-Za-z]{1,20})\s*\.\s*([\w-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.){0,500})"|([^\s;"]{1,500}))'
)
_BY: Final = re.compile(r"(?:^|\s)by\s+([^\s;]{1,255})", re.IGNORECASE)
_FROM_CLAUSE: Final = re.compile(r"\A(.*?)(?:\sby\s|\Z)", re.IGNORECASE | re.DOTALL)
_LITERAL: Final = re.compile(r"(?<!helo=)\[(?:ipv6:)?([0-9a-f.:]{3,45})\]", re.IGNORECASE)
_INSIDE: Final = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """One result in a field: of a method, with the properties that say of what."""

    method: str
    result: Result
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stamps:
    """What your servers say of a mail, and from where the first of them got it."""

    said: tuple[Said, ...]
    source: str | None
    """The address outside; None where no Received of yours tells it."""


def read(message: Entity, trusted: Iterable[str]) -> Stamps:
    """Read the stamps of servers with these names, and in these networks."""
    names, own = _sorted(trusted)
    found: list[Said] = []
    source: str | None = None
    is_outside = False
    stamps = (one for one in message.fields if one[0] in _STAMPS)
    for name, value in islice(stamps, STAMPS_MAX):
        text = value[:FIELD_CHARS_MAX]
        if name == "received":
            if found or is_outside or _host_by(text) not in names:
                break
            came_from = _came_from(text)
            is_outside = came_from is not None and not any(came_from in one for one in own)
            source = str(came_from) if is_outside else source
        else:
            server, results = parse(text)
            known = {one.method for one in found}
            found += [one for one in results if server in names and one.method not in known]
    return Stamps(tuple(found), source)


def authentication(message: Entity, trusted: Iterable[str]) -> Authentication:
    """Return what your servers found out about a mail."""
    said, author = read(message, trusted).said, author_of(message)
    author_domain = domain_of(author)
    dmarc = next((one for one in said if one.method == "dmarc"), None)
    spf = next((one for one in said if one.method == "spf"), None)
    signatures = tuple(_signatures(said))
    spf_domain = domain_of((spf.properties.get("smtp.mailfrom") or "").lower()) if spf else ""
    passed = [one.domain for one in signatures if one.result == "pass"]
    passed += [spf_domain] if spf and spf.result == "pass" else []
    is_aligned = any(is_given_by_name(one, author_domain) for one in passed) or bool(
        dmarc and dmarc.result == "pass" and _is_about(dmarc, author_domain)
    )
    return Authentication(
        by="header",
        author=author,
        is_aligned=author is not None and is_aligned,
        # Nothing is stamped where the mail took another way: nobody knows, rather than nobody is.
        dmarc=dmarc.result if dmarc else "none" if said else "temperror",
        spf=spf.result if spf else "none",
        spf_domain=spf_domain,
        signatures=signatures,
    )


def parse(value: str) -> tuple[str, list[Said]]:
    """Read an Authentication-Results field: which server says so, and what."""
    first, *rest = list(_segments(_uncommented(value)))[: RESULTS_MAX + 1] or [""]
    words = first.replace('"', " ").split()
    return (words[0].lower() if words else ""), list(_said(rest))


def _said(segments: Iterable[str]) -> Iterator[Said]:
    for one in segments:
        found = _METHOD.match(one)
        result = RESULTS.get(found[2].lower()) if found else None
        if found and result:
            properties: dict[str, str] = {}
            for each in _PROPERTY.finditer(one, found.end()):
                text = each[3] if each[3] is not None else each[4]
                properties.setdefault(f"{each[1]}.{each[2]}".lower(), text)
            yield Said(found[1].lower(), result, properties)


def _signatures(said: Iterable[Said]) -> Iterator[Signature]:
    for one in said:
        if one.method == "dkim" and (domain := _signer(one)):
            yield Signature(domain, one.result)


def _signer(said: Said) -> str:
    domain = said.properties.get("header.d") or domain_of(said.properties.get("header.i"))
    return domain.lower().rstrip(".")


def _is_about(dmarc: Said, author_domain: str) -> bool:
    about = dmarc.properties.get("header.from", "").lower()
    return bool(author_domain) and domain_of(about.rstrip(".")) == author_domain


def _uncommented(value: str) -> str:
    depth = 0
    kept: list[str] = []
    for piece in _PIECE.finditer(value):
        if piece[0] == "(":
            depth += 1
        elif piece[0] == ")":
            depth = max(0, depth - 1)
            kept.append(" ")
        elif depth == 0:
            kept.append(piece[0])
    return "".join(kept)


def _segments(text: str) -> Iterator[str]:
    kept: list[str] = []
    for piece in _SEGMENT.finditer(text):
        if piece[0] == ";":
            yield "".join(kept)
            kept = []
        else:
            kept.append(piece[0])
    yield "".join(kept)


def _host_by(received: str) -> str:
    found = _BY.search(_uncommented(received))
    return found[1].lower().rstrip(".") if found else ""


def _came_from(received: str) -> _Address | None:
    """Return who handed it over: the last address in the clause, for the name said comes first."""
    clause = _FROM_CLAUSE.match(received)
    literals = _LITERAL.findall(clause[1]) if clause else []
    try:
        return ip_address(literals[-1]) if literals else None
    except ValueError:
        return None


def _sorted(trusted: Iterable[str]) -> tuple[frozenset[str], list[_Network]]:
    """Tell the names of servers from the networks that they hand mail over in."""
    names: set[str] = set()
    networks: list[_Network] = list(_INSIDE)
    for one in trusted:
        try:
            networks.append(ip_network(one))
        except ValueError:
            names.add(one.lower().rstrip("."))
    return frozenset(names), networks
