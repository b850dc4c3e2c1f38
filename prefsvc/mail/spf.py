"""Whether a host may send for a domain (SPF, RFC 7208). Pure.

The check is a generator: it yields what it wants to ask DNS and is sent what DNS says, so that who
runs it decides how, and for how long. `ptr` matches nobody: it is not to be used (§5.5).
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Literal
from urllib.parse import quote

from prefsvc.mail.authentication import Result

LOOKUPS_MAX: Final = 10
"""§4.6.4: terms that ask DNS."""
VOID_LOOKUPS_MAX: Final = 2
HOSTS_MAX: Final = 10
TERMS_MAX: Final = 100

Kind = Literal["TXT", "A", "AAAA", "MX"]


@dataclass(frozen=True, slots=True)
class Question:
    """What DNS is asked."""

    kind: Kind
    name: str


Answer = list[str] | None
"""What DNS said: nothing is an empty list; None where it could not be asked."""
Asking = Generator[Question, Answer, Result]
_Steps = Generator[Question, Answer, list[str]]

_QUALIFIERS: Final[dict[str, Result]] = {
    "+": "pass", "-": "fail", "~": "softfail", "?": "neutral"
}  # fmt: skip
_TERM: Final = re.compile(
    r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?::([^/\s]\S*?))?(/\d{1,3})?(?://(\d{1,3}))?",
    re.IGNORECASE,
)
_IP_TERM: Final = re.compile(r"([+?~-]?)(ip4|ip6):([0-9a-fA-F.:]+(?:/\d{1,3})?)", re.IGNORECASE)
_MODIFIER: Final = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE | re.DOTALL)
_MACRO: Final = re.compile(
    r"%(?:\{([slodipvhcrt])(\d{0,3})(r?)([.+,/_=-]*)\}|([%_-]))", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who hands a mail over, and for whom they say they do."""

    peer: IPv4Address | IPv6Address
    sender: str
    """The address of the envelope's sender."""
    helo: str

    @property
    def domain(self) -> str:
        """Return the domain that is asked about."""
        return self.sender.rpartition("@")[2].lower().rstrip(".")


class _Ended(Exception):  # noqa: N818 - it is no fault, it is the result
    """The check cannot go on."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result


def check(envelope: Envelope) -> Asking:
    """Ask whether the peer may send for the domain of the envelope's sender."""
    try:
        return (yield from _Check(envelope).of(envelope.domain))
    except _Ended as ended:
        return ended.result


@dataclass(slots=True)
class _Check:
    """One check, which may ask so much and no more."""

    envelope: Envelope
    lookups: int = 0
    voids: int = 0

    def of(self, domain: str) -> Asking:
        record = yield from self._record(domain)
        if record is None:
            return "none"
        redirect = ""
        for term in record.split()[1 : TERMS_MAX + 1]:
            if modifier := _MODIFIER.fullmatch(term):
                redirect = modifier[2] if modifier[1].lower() == "redirect" else redirect
                continue
            qualifier, is_match = yield from self._term(term, domain)
            if is_match:
                return _QUALIFIERS[qualifier or "+"]
        if not redirect:
            return "neutral"
        self._count()
        followed: Result = yield from self.of(self._expanded(redirect, domain))
        return "permerror" if followed == "none" else followed

    def _record(self, domain: str) -> Generator[Question, Answer, str | None]:
        texts = yield Question("TXT", domain)
        if texts is None:
            raise _Ended("temperror")
        found = [one for one in texts if re.match(r"v=spf1(?: |\Z)", one, re.IGNORECASE)]
        if len(found) > 1:
            raise _Ended("permerror")
        return found[0] if found else None

    def _term(self, term: str, domain: str) -> Generator[Question, Answer, tuple[str, bool]]:
        if ip := _IP_TERM.fullmatch(term):
            return ip[1], self._is_in(ip[3])
        found = _TERM.fullmatch(term)
        if found is None or found[2].lower() in {"ip4", "ip6"}:
            raise _Ended("permerror")
        name = found[2].lower()
        if name == "all":
            return found[1], True
        self._count()
        target = self._expanded(found[3], domain) if found[3] else domain
        prefix = found[4][1:] if found[4] else None
        return found[1], (yield from self._matches(name, target, (prefix, found[5])))

    def _matches(
        self, name: str, target: str, prefixes: tuple[str | None, str | None]
    ) -> Generator[Question, Answer, bool]:
        match name:
            case "include":
                return (yield from self._includes(target))
            case "exists":
                return bool((yield from self._ask("A", target)))
            case "a":
                return (yield from self._is_host(target, prefixes))
            case "mx":
                hosts = yield from self._ask("MX", target)
                return (yield from self._is_any_host(hosts, prefixes))
            case _:
                return False

    def _includes(self, target: str) -> Generator[Question, Answer, bool]:
        included = yield from self.of(target)
        if included in {"temperror", "permerror", "none"}:
            raise _Ended("temperror" if included == "temperror" else "permerror")
        return included == "pass"

    def _is_any_host(
        self, hosts: list[str], prefixes: tuple[str | None, str | None]
    ) -> Generator[Question, Answer, bool]:
        if len(hosts) > HOSTS_MAX:
            raise _Ended("permerror")
        for host in hosts:
            if (yield from self._is_host(host, prefixes)):
                return True
        return False

    def _is_host(
        self, name: str, prefixes: tuple[str | None, str | None]
    ) -> Generator[Question, Answer, bool]:
        is_v4 = self.envelope.peer.version == 4  # noqa: PLR2004
        prefix = prefixes[0] if is_v4 else prefixes[1]
        addresses = yield from self._ask("A" if is_v4 else "AAAA", name)
        return any(self._is_in(f"{one}/{prefix}" if prefix else one) for one in addresses)

    def _ask(self, kind: Kind, name: str) -> _Steps:
        answer = yield Question(kind, name)
        if answer is None:
            raise _Ended("temperror")
        self.voids += not answer
        if self.voids > VOID_LOOKUPS_MAX:
            raise _Ended("permerror")
        return answer

    def _count(self) -> None:
        self.lookups += 1
        if self.lookups > LOOKUPS_MAX:
            raise _Ended("permerror")

    def _is_in(self, network: str) -> bool:
        try:
            return self.envelope.peer in ip_network(network, strict=False)
        except ValueError:
            raise _Ended("permerror") from None

    def _expanded(self, text: str, domain: str) -> str:
        """Expand macros (§7); a text that has something else behind a `%` is broken."""
        pieces = list(self._pieces(text, domain))
        return "".join(pieces)[-253:].lower().strip(".")

    def _pieces(self, text: str, domain: str) -> Iterator[str]:
        end = 0
        for found in _MACRO.finditer(text):
            yield _plain(text[end : found.start()])
            yield {"%": "%", "_": " ", "-": "%20"}.get(found[5] or "") or self._value(found, domain)
            end = found.end()
        yield _plain(text[end:])

    def _value(self, macro: re.Match[str], domain: str) -> str:
        sender = self.envelope.sender
        local, _, sender_domain = sender.rpartition("@")
        values = {
            "s": sender, "l": local or "postmaster", "o": sender_domain, "d": domain,
            "i": _dotted(self.envelope.peer), "p": "unknown", "h": self.envelope.helo,
            "v": "in-addr" if self.envelope.peer.version == 4 else "ip6",  # noqa: PLR2004
        }  # fmt: skip
        value = values.get(macro[1].lower())
        if value is None:  # c, r and t are for explanations alone
            raise _Ended("permerror")
        parts = re.split(f"[{re.escape(macro[4] or '.')}]", value)
        parts = parts[::-1] if macro[3] else parts
        kept = ".".join(parts[-int(macro[2]) :] if macro[2].strip("0") else parts)
        return quote(kept, safe="") if macro[1].isupper() else kept


def _plain(text: str) -> str:
    if "%" in text:
        raise _Ended("permerror")
    return text


def _dotted(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return ".".join(address.exploded.replace(":", ""))


def peer_of(host: str) -> IPv4Address | IPv6Address | None:
    """Read who is connected; one that comes by IPv4 in IPv6's clothes is taken for itself."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
