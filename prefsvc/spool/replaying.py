"""Giving the spool's items back to the register, in the order in which they came.

Each is recorded with the moment at which it was received, and once: an act under the id that it
was given when it was kept, a text under its message's. An item leaves the file after its commit, so
a crash between the two only has it read again. What the register does not take is set aside.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from prefsvc import reviews, short_links, texts
from prefsvc.act import Act
from prefsvc.country import known_country
from prefsvc.db.away import AWAY
from prefsvc.doors import Service
from prefsvc.errors import TooBusy
from prefsvc.mail.identity import idempotency_key
from prefsvc.scopes import scope_of
from prefsvc.spool.items import Doubted, Item, OptedOut, Pressed, Texted, decode
from prefsvc.spool.store import Kept, Store

log = structlog.get_logger()

_LOCK: Final = "replay.lock"
SWEEPS_MAX: Final = 40
"""So often the last few items are given back before nobody queues behind them any more."""
PASSING: Final = (*AWAY, TooBusy)
"""What says nothing of an item: it waits on, and is tried again."""


@dataclass(frozen=True, slots=True)
class _Read:
    """An item, and the opt-outs that it is; none where it is to be given back alone."""

    kept: Kept
    acts: list[Act]


async def replay(service: Service) -> int:
    """Give back all that waits; return how many items are in the register now.

    Raises what is PASSING; what was not given back then waits on. Where another
    process is at it, nothing is done here.
    """
    with _alone(service) as is_alone:
        return await _replay(service) if is_alone else 0


async def _replay(service: Service) -> int:
    spool, size, count = service.spool, service.settings.spool_replay_max, 0
    sweeps = 0
    # A service that is told to stop leaves the rest to its next start.
    while not service.stopping.is_set():
        kept = await spool.use(lambda store: store.first(size))
        if not kept:
            break
        sweeps += len(kept) < size
        if sweeps > SWEEPS_MAX:
            # Where so many come that it is never empty, they need not queue behind these few.
            spool.note(is_away=False)
        for run in await _runs(service, kept):
            given_back = await _together(service, run)
            await spool.use(partial(Store.given_back, item_ids=given_back))
            count += len(given_back)
    if count:
        log.info("spool_given_back", items=count)
    return count


async def _runs(service: Service, kept: Sequence[Kept]) -> list[list[_Read]]:
    """Part items, in their order: opt-outs that follow each other, and all others alone."""
    runs: list[list[_Read]] = []
    room = 0
    for one in kept:
        acts = await _acts_of(service, one)
        if not acts or len(acts) > room:
            runs.append([])
            room = service.settings.spool_replay_max
        runs[-1].append(_Read(one, acts))
        room = room - len(acts) if acts else 0
    return runs


async def _acts_of(service: Service, kept: Kept) -> list[Act]:
    """Return the opt-outs that a kept item is; none where it cannot be read, either."""
    try:
        return await _acts(service, decode(kept.content))
    except PASSING:
        raise
    except Exception:  # noqa: BLE001 - whatever it is, it comes up again alone
        return []


async def _together(service: Service, run: Sequence[_Read]) -> list[int]:
    """Give a run back; return those of it that are in the register now."""
    if len(run) > 1:
        try:
            await service.commit([act for one in run for act in one.acts])
        except PASSING:
            raise
        except Exception as error:  # noqa: BLE001 - one of them it is; each by itself will tell
            log.warning("spool_items_apart", kind=type(error).__name__)
        else:
            return [one.kept.item_id for one in run]
    return [item_id for one in run for item_id in await _alone_or_aside(service, one.kept)]


async def _alone_or_aside(service: Service, kept: Kept) -> list[int]:
    try:
        await _give_back(service, decode(kept.content))
    except PASSING:
        raise
    except Exception as error:  # noqa: BLE001 - it must not hold up those behind it
        kind = type(error).__name__
        log.error("spool_item_set_aside", item_id=kept.item_id, kind=kind)  # noqa: TRY400 - no text
        await service.spool.use(lambda store: store.set_aside(kept.item_id, kind))
        return []
    return [kept.item_id]


async def _give_back(service: Service, item: Item) -> None:
    if not isinstance(item, Doubted):
        await service.commit(await _acts(service, item))
        return
    doubt = item.read(service.book)
    await service.write(lambda tx: reviews.open_review(tx, service.vault, doubt), doubt.brand)


async def _acts(service: Service, item: Item) -> list[Act]:
    """Return the opt-outs that an item is; a doubt is none."""
    match item:
        case Pressed():
            return [await _act(service, item)]
        case OptedOut():
            return item.read(service.book)
        case Texted():
            return [texts.kept_stop(item.read(service.book))]
        case Doubted():
            return []


async def _act(service: Service, item: Pressed) -> Act:
    """Find what a short link stands for, and return what pressing it meant."""
    brand = service.book.get(item.brand)
    async with service.database.read() as tx:
        found = await short_links.find(tx, brand, item.link_id)
    channel = found.recipient.channel
    scope = item.scope.read() if item.scope else scope_of(brand, channel, None, found.topic)
    whom = found.recipient.address_key
    return Act(
        brand,
        found.recipient,
        scope,
        item.source,
        item.evidence,
        reason=item.reason,
        received_at=item.received_at,
        idempotency_key=item.mail and idempotency_key(item.mail, whom, item.reason, scope),
        country=known_country(found.country),
        event_id=item.event_id,
    )


@contextmanager
def _alone(service: Service) -> Iterator[bool]:
    """Say whether no other process gives items back; none does for the block."""
    folder = service.spool.folder
    if not folder.is_dir():
        yield False
        return
    at = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(at, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(at)
