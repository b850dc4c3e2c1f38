"""Asking DNS, within tight limits: what is not found out in time is unknown, and holds nobody up.

Answers are kept for as long as they are good, so that a flood of mail of one domain asks once.
"""

from functools import cache
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

from prefsvc.mail.spf import Answer, Question
from prefsvc.settings import Settings, place_of

NAMES_KEPT_MAX: Final = 10_000
ANSWER_CHARS_MAX: Final = 16 * 1024
RECORDS_MAX: Final = 50


class Names:
    """A resolver for one mail: it asks so many questions, and then no more."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._left = settings.mail_dns_lookups_max

    async def ask(self, question: Question) -> Answer:
        """Return what DNS says; nothing where there is nothing, None where it cannot be asked."""
        if self._left <= 0:
            return None
        self._left -= 1
        try:
            answer = await _resolver(
                self._settings.dns_servers, self._settings.mail_dns_timeout_seconds
            ).resolve(question.name, question.kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            return []
        except (dns.exception.DNSException, OSError, ValueError):
            return None
        return [_text(record)[:ANSWER_CHARS_MAX] for record in list(answer)[:RECORDS_MAX]]


def _text(record: dns.rdata.Rdata) -> str:
    match record:
        case TXT():
            return b"".join(record.strings).decode("utf-8", "replace")
        case MX():
            return record.exchange.to_text(omit_final_dot=True)
        case _:
            return record.to_text()


@cache
def _resolver(servers: tuple[str, ...], timeout_seconds: float) -> dns.asyncresolver.Resolver:
    """Return the resolver of these settings: the system's own, or one of named servers."""
    resolver = dns.asyncresolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(host, port) for host, port in map(place_of, servers)
        ]
    resolver.lifetime = timeout_seconds
    resolver.timeout = timeout_seconds / 2  # another server, or the same again
    resolver.cache = dns.resolver.LRUCache(NAMES_KEPT_MAX)
    return resolver
