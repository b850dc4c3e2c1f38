"""What follows from events: acts of the brand, by the one write path."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from prefsvc import metrics
from prefsvc.address import Address
from prefsvc.brand import MailEventSource
from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.errors import InvalidAddress
from prefsvc.mail_events.event import MailEvent, Reading
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.suppression import Reason, Scope

log = structlog.get_logger()

_AT_ONCE: Final = 100
"""How many events one transaction takes: so long are the heads of their buckets locked."""
_SOURCE: Final = "provider_event"
_ADDRESS: Final = re.compile(r"\S*(?:@|%40)\S*")


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a post: its events, what was recorded of them, and what could not be read."""

    events: int
    recorded: int
    unreadable: int


async def take(
    service: Service, brand: AppliedBrand, source: MailEventSource, reading: Reading
) -> Taken:
    """Record what the events say; all of it is durable when this returns.

    In several transactions: where the database goes away between them, the provider posts all of it
    again, and what is known already changes nothing.
    """
    recorded, unreadable = 0, reading.unreadable
    for start in range(0, len(reading.events), _AT_ONCE):
        stops: list[Act] = []
        starts: list[Act] = []
        for event in reading.events[start : start + _AT_ONCE]:
            try:
                acts = list(_acts(service, brand, source, event))
            except InvalidAddress:
                unreadable += 1
                continue
            (starts if event.kind == "resubscribe" else stops).extend(acts)
        await _record(service, stops, starts)
        recorded += len(stops) + len(starts)
    _count(source, reading, unreadable)
    return Taken(len(reading.events) + reading.unreadable, recorded, unreadable)


async def _record(service: Service, stops: Sequence[Act], starts: Sequence[Act]) -> None:
    if stops:
        await service.record(stops)
    if starts:
        # Of this source an opt-in lifts nothing: a provider's word is not the person's (P-08).
        await service.withdraw(starts)


def _acts(
    service: Service, brand: AppliedBrand, source: MailEventSource, event: MailEvent
) -> Iterator[Act]:
    """Return what the event says of the person; raise InvalidAddress where it names nobody."""
    scopes = list(_scopes(source, event))
    if not scopes:
        return
    recipient = Recipient.of(Address.for_opt_out("email", event.address), service.vault)
    # One event may be about several people and topics, so all of them name the act.
    name = f"{event.provider}:{event.event_id}:{recipient.address_key.hex()}"
    for scope in scopes:
        yield Act(
            brand,
            recipient,
            scope,
            _SOURCE,
            _evidence(source, event),
            reason=_REASONS.get(event.kind, "opt_out"),
            sent_at=event.occurred_at,
            idempotency_key=f"{name}:{scope.topic}",
        )


_REASONS: Final[dict[str, Reason]] = {"complaint": "complaint", "bounce_hard": "undeliverable"}


def _scopes(source: MailEventSource, event: MailEvent) -> Iterator[Scope]:
    match event.kind:
        case "unsubscribe" | "resubscribe":
            yield from _scopes_of_lists(source, event)
        case "complaint":
            yield Scope("brand")  # RULES E-40, P-07: whatever list it was about
        case "bounce_hard":
            yield Scope("channel")
        case _:
            return


def _scopes_of_lists(source: MailEventSource, event: MailEvent) -> Iterator[Scope]:
    topics = [source.topic_of(one) for one in event.lists]
    if topics and all(topics):
        yield from (Scope("topic", topic) for topic in sorted(filter(None, set(topics))))
    elif event.kind == "unsubscribe" or not topics:
        # A list that the brand's file does not know may be any: in doubt, stop it all.
        yield Scope("channel")


def _evidence(source: MailEventSource, event: MailEvent) -> dict[str, str | list[str] | None]:
    """Return what proves it; the person's address is not in it (InboundMessage.evidence)."""
    return {
        "provider": event.provider,
        "mail_event_source": source.name,
        "event": event.name,
        "event_id": event.event_id,
        "occurred_at": event.occurred_at.isoformat() if event.occurred_at else None,
        "lists": list(event.lists),
        "reason": _ADDRESS.sub("(address)", event.reason) or None,
    }


def _count(source: MailEventSource, reading: Reading, unreadable: int) -> None:
    for event in reading.events:
        metrics.MAIL_EVENTS.labels(source.provider, event.kind).inc()
    if unreadable:
        metrics.MAIL_EVENTS.labels(source.provider, "unreadable").inc(unreadable)
        log.warning(
            "mail_events_unreadable",
            source=source.name,
            provider=source.provider,
            events=unreadable,
        )
