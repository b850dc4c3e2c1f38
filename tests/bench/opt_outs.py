"""Durable opt-outs by one click: as many as go, and how long each takes at half of that.

Every click has a token of its own, sealed beforehand, so that each is a new address and does the
whole write: address, ledger, suppression, feed. Each round is held against pgbench, which inserts
one row a transaction over as many connections, and against a handler that does nothing.
"""

import statistics
from collections.abc import Callable

from prefsvc import links
from prefsvc.doors import Service
from prefsvc.links import Link
from tests.bench import datasets, limits
from tests.bench.bare import bare
from tests.bench.client import Job, load, request
from tests.bench.served import Served, can_have_workers, served
from tests.bench.setting import Setting

SLUG = "bench"
CLICK = b"List-Unsubscribe=One-Click"
HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}
CONNECTIONS = (16, 64)

Clicks = Callable[[int], list[bytes]]


async def bench(setting: Setting) -> None:
    async with setting.opened() as service:
        await datasets.empty(service, SLUG)
        clicks = clicks_of(service)
        for workers in (1, 2) if await can_have_workers() else (1,):
            async with served(setting.engine.dsn, setting.folder, workers=workers) as one:
                for connections in CONNECTIONS:
                    await rates(setting, service, one, clicks, connections)


def clicks_of(service: Service, slug: str = SLUG) -> Clicks:
    """Return what makes clicks, each of an address that nobody has clicked for."""
    key, number = service.book.keyring.key(slug), iter(range(1 << 40))

    def clicks(count: int) -> list[bytes]:
        tokens = (
            links.seal(key, Link("email", f"click-{next(number)}@example.org"))
            for _ in range(count)
        )
        return [request("POST", f"/u/{token}", HEADERS, CLICK) for token in tokens]

    return clicks


async def rates(
    setting: Setting,
    service: Service,
    one: Served,
    clicks: Clicks,
    connections: int,
) -> None:
    ours, inserts, nothing = [], [], []
    async with bare(one.workers) as port:
        await load(Job("127.0.0.1", one.port, connections, clicks(connections * 20)))  # warm
        for _ in range(setting.rounds):
            job = Job("127.0.0.1", one.port, connections, clicks(setting.count))
            ours.append((await load(job)).rate)
            inserts.append(
                await limits.inserts(setting.engine, service, connections, setting.count)
            )
            job.port = port
            nothing.append((await load(job)).rate)
    name = f"opt-outs, {connections} connections, {one.workers} process{'es' * (one.workers > 1)}"
    say, target = setting.report.against, 0.5 if connections == CONNECTIONS[0] else None
    say(name, "/s", list(zip(ours, inserts, strict=True)), "/s pgbench", at_least=target)
    say(name, "/s", list(zip(ours, nothing, strict=True)), "/s bare handler")
    half = statistics.median(ours) / 2
    await latency(setting, one, lambda: clicks(setting.count), f"{name}, half load", half)


async def latency(
    setting: Setting, one: Served, made: Callable[[], list[bytes]], name: str, per_second: float
) -> None:
    """Say how long clicks take at this many a second, made anew for each round."""
    jobs = [Job("127.0.0.1", one.port, 64, made(), per_second) for _ in range(setting.rounds)]
    outcomes = [await load(job) for job in jobs]
    for part, target in ((0.5, None), (0.99, 20.0), (0.999, None)):
        taken = [outcome.quantile(part) for outcome in outcomes]
        setting.report.alone(f"{name}, p{part * 100:g}", "ms", taken, at_most=target)
