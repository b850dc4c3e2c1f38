"""Bytes on disk, indexes included, of what opt-outs leave behind that came through a door."""

from collections.abc import Iterator

from prefsvc.act import Act
from prefsvc.address import Address
from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.recipients import Recipient
from prefsvc.suppression import Scope
from tests.bench import datasets
from tests.bench.setting import Setting

AT_ONCE = 1000
EVIDENCE = {"door": "link", "method": "POST", "one_click": True}


async def bench(setting: Setting) -> None:
    count = int(setting.given.recorded)
    async with setting.opened() as service:
        brand = (await datasets.empty(service, "bench")).brand
        for acts in batches(service, brand, count):
            await service.record(acts)
        await datasets.settled(service)
        for name, tables, target in (
            ("suppression with its address", ("address", "suppression"), 300),
            ("ledger entry", ("preference_event",), 600),
            ("evidence", ("evidence",), None),
        ):
            parts = [await size(service, table) for table in tables]
            total = sum(map(sum, parts)) / count
            setting.report.alone(f"{name}, on disk", "bytes", [total], at_most=target)
            for table, (rows, keys) in zip(tables, parts, strict=True):
                print(f"    {table}: {rows / count:.0f} in rows, {keys / count:.0f} in indexes")


def batches(service: Service, brand: AppliedBrand, count: int) -> Iterator[list[Act]]:
    for first in range(0, count, AT_ONCE):
        yield [_act(service, brand, number) for number in range(first, first + AT_ONCE)]


def _act(service: Service, brand: AppliedBrand, number: int) -> Act:
    address = Address.for_opt_out("email", f"person.{number}@example.org")
    who = Recipient.of(address, service.vault)
    return Act(brand, who, Scope("channel"), "one_click", EVIDENCE)


async def size(service: Service, table: str) -> tuple[int, int]:
    """Return what a table takes: its rows, and its indexes."""
    row = await service.database.pool.fetchrow(
        "select pg_table_size($1) as rows, pg_indexes_size($1) as keys", table
    )
    assert row
    return int(row["rows"]), int(row["keys"])
