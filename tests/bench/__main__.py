"""`make bench`: what prefsvc does per second, beside a limit measured in the same run.

Medians of paired rounds against a durable PostgreSQL (fsync and synchronous_commit on): durable
opt-outs over HTTP beside pgbench's one-row inserts, single checks beside the raw SELECT, and the
snapshot beside COPY of the same columns. Then what owing.py and importing.py measure. Nothing here
fails on a slow machine: it prints. `--only rates`, `senders` or `import` leaves the rest out.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import aiohttp

from prefsvc import api_keys, app, brands, engine, links, senders
from prefsvc.address import Address
from prefsvc.doors import Service
from prefsvc.links import Link
from prefsvc.recipients import Recipient
from prefsvc.settings import Settings
from prefsvc.vault import open_vault
from tests.bench import importing, limits, owing
from tests.bench.served import served
from tests.support.cast import acme

CONNECTIONS = 16

Bench = Callable[[engine.Engine, Path, argparse.Namespace], Coroutine[None, None, None]]


async def rate(count: int, work: Callable[[int], Awaitable[None]]) -> float:
    """Return how many a second were done, by as many workers as there are connections."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    started = time.perf_counter()
    await asyncio.gather(*[worker() for _ in range(CONNECTIONS)])
    return count / (time.perf_counter() - started)


async def opt_outs(
    session: aiohttp.ClientSession, service: Service, round_: int, count: int
) -> float:
    key = service.book.keyring.key("acme")

    async def press(number: int) -> None:
        token = links.seal(key, Link("email", f"bench-{round_}-{number}@example.org"))
        async with session.post(f"/u/{token}", data=b"List-Unsubscribe=One-Click") as reply:
            await reply.read()
            reply.raise_for_status()

    return await rate(count, press)


async def checks(session: aiohttp.ClientSession, headers: dict[str, str], count: int) -> float:
    async def ask(number: int) -> None:
        body = {"addresses": [f"bench-0-{number}@example.org"]}
        async with session.post("/v1/brands/acme/check", json=body, headers=headers) as reply:
            await reply.read()
            reply.raise_for_status()

    return await rate(count, ask)


async def snapshot(session: aiohttp.ClientSession, headers: dict[str, str]) -> float:
    started = time.perf_counter()
    async with session.get("/v1/brands/acme/suppressions", headers=headers) as reply:
        rows = sum([chunk.count(b"\n") async for chunk in reply.content.iter_chunked(1 << 16)])
    return rows / (time.perf_counter() - started)


async def bench(running: engine.Engine, folder: Path, given: argparse.Namespace) -> None:
    settings = Settings(data_dir=folder, secrets_dir=folder / "secrets")
    vault = open_vault(settings, make_missing=True)
    async with app.opened(settings, vault, running.dsn) as service:
        async with service.database.transaction() as tx:
            await brands.apply(tx, [acme()])
        await service.refresh_book()
        headers = await key(service)
        async with served(running.dsn, folder) as origin, aiohttp.ClientSession(origin) as session:
            results: dict[str, list[tuple[float, float]]] = {}
            for round_ in range(given.rounds):
                for name, pair in (
                    ("opt-outs", await paired_opt_outs(running, session, service, round_, given)),
                    ("single checks", await paired_checks(service, session, headers, given)),
                    (
                        "snapshot rows",
                        (await snapshot(session, headers), await limits.copy(service)),
                    ),
                ):
                    results.setdefault(name, []).append(pair)
    show(results)


async def paired_opt_outs(
    running: engine.Engine,
    session: aiohttp.ClientSession,
    service: Service,
    round_: int,
    given: argparse.Namespace,
) -> tuple[float, float]:
    ours = await opt_outs(session, service, round_, given.count)
    return ours, await limits.pgbench_inserts(running, service, CONNECTIONS, given.count)


async def paired_checks(
    service: Service,
    session: aiohttp.ClientSession,
    headers: dict[str, str],
    given: argparse.Namespace,
) -> tuple[float, float]:
    addresses = [
        Address.for_opt_out("email", f"bench-0-{n}@example.org") for n in range(given.count)
    ]
    recipients = [Recipient.of(address, service.vault) for address in addresses]

    async def ask(number: int) -> None:
        await limits.raw_check(service, recipients[number])

    return await checks(session, headers, given.count), await rate(given.count, ask)


async def key(service: Service) -> dict[str, str]:
    brand = service.book.get("acme")
    async with service.database.transaction() as tx:
        sender = await senders.add(tx, brand, "bench", "email")
        made = await api_keys.create(tx, label="bench", brand=brand, sender=sender)
    return {"Authorization": f"Bearer {made}"}


def show(results: dict[str, list[tuple[float, float]]]) -> None:
    print(f"{'per second':16} {'prefsvc':>10} {'the limit':>10} {'ratio':>6}")
    for name, pairs in results.items():
        ours, limit = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{name:16} {ours:10.0f} {limit:10.0f} {ratio:6.2f}")
    print("limits: pgbench one-row inserts, the same SELECT without HTTP, COPY of the same columns")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--only", choices=("rates", "senders", "import"))
    parser.add_argument("--opt-outs", type=int, default=5_000_000)
    parser.add_argument("--imported", type=int, default=1_000_000)
    given = parser.parse_args()
    for name, measure in (
        ("rates", bench),
        ("senders", owing.bench),
        ("import", importing.bench),
    ):
        if given.only in {None, name}:
            measure_alone(measure, given)


def measure_alone(measure: Bench, given: argparse.Namespace) -> None:
    """Measure on a database of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="prefsvc-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with engine.running(folder / "data") as running:
            asyncio.run(measure(running, folder, given))


if __name__ == "__main__":
    main()
