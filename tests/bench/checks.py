"""May this be sent? One address at a time, and ten thousand in one request.

One of ten addresses is suppressed. Single checks are held against a handler that does nothing, and
against pgbench with the same SELECT; ten thousand against the statements that find them, one for
each bucket, with the keys at hand: no JSON, no addresses to read, no HTTP.
"""

import msgspec

from tests.bench import datasets, limits
from tests.bench.bare import bare
from tests.bench.client import Job, load, request
from tests.bench.datasets import Register
from tests.bench.served import served
from tests.bench.setting import Setting

BATCH = 10_000
CONNECTIONS = (16, 64)


async def bench(setting: Setting) -> None:
    async with setting.opened() as service:
        register = await datasets.written(service, min(setting.given.sizes[-1], 1_000_000))
        async with served(setting.engine.dsn, setting.folder) as one, bare() as port:
            for connections in CONNECTIONS:
                await singles(setting, register, one.port, port, connections)
            await batches(setting, service, register, one.port)


def asked(register: Register, count: int, *, start: int = 0) -> list[str]:
    """Return addresses of which one in ten is suppressed."""
    return [
        register.address((number * 7919) % register.count + (number % 10 > 0) * register.count)
        for number in range(start, start + count)
    ]


def body(addresses: list[str]) -> bytes:
    return msgspec.json.encode({"addresses": addresses})


async def singles(
    setting: Setting, register: Register, ours: int, nothing: int, connections: int
) -> None:
    headers = register.headers | {"Content-Type": "application/json"}
    rounds = []
    for _ in range(setting.rounds + 1):
        requests = [
            request("POST", f"{register.path}/check", headers, body([address]))
            for address in asked(register, setting.count)
        ]
        job = Job("127.0.0.1", ours, connections, requests)
        rate = (await load(job)).rate
        job.port = nothing
        selects = await limits.selects(setting.engine, connections, setting.count)
        rounds.append((rate, (await load(job)).rate, selects))
    name, rounds = f"single checks, {connections} connections", rounds[1:]  # the first warms up
    say = setting.report.against
    say(name, "/s", [(a, b) for a, b, _ in rounds], "/s bare handler", at_least=0.6)
    say(name, "/s", [(a, c) for a, _, c in rounds], "/s pgbench -S")


async def batches(setting: Setting, service, register: Register, port: int) -> None:
    headers = register.headers | {"Content-Type": "application/json"}
    rounds = []
    for number in range(setting.rounds + 1):
        addresses = asked(register, BATCH, start=number * BATCH)
        requests = [request("POST", f"{register.path}/check", headers, body(addresses))] * 5
        outcome = await load(Job("127.0.0.1", port, 1, requests))
        keys = limits.keys_of(service, addresses)
        async with service.database.pool.acquire() as conn:
            raw = [await limits.check_seconds(conn, register.brand, keys) for _ in range(5)]
        rounds.append((outcome.quantile(0.5), sorted(raw)[2] * 1000))
    setting.report.against("check of 10,000", "ms", rounds[1:], "ms raw SQL", at_most=1.5)
