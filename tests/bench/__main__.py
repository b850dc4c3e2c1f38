"""`make bench`: what prefsvc does, beside a limit measured in the same run.

Medians of paired rounds on a durable PostgreSQL (fsync and synchronous_commit on). Nothing here
fails on a slow machine: it prints a table, and with `--json FILE` writes every round of it. By
itself it is through in about ten minutes on two cores, with lists of up to a million opt-outs;
`--full` has ten million. `--only PART` measures that part alone, and may be given again.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from prefsvc import engine
from tests.bench import checks, importing, lists, opt_outs, owing, sizes, starting
from tests.bench.report import Report
from tests.bench.setting import Setting

PARTS = {
    "opt-outs": opt_outs.bench,
    "checks": checks.bench,
    "lists": lists.bench,
    "import": importing.bench,
    "sizes": sizes.bench,
    "start": starting.bench,
    "senders": owing.bench,
}


def main() -> None:
    given = parser().parse_args()
    if given.full:
        given.sizes = [100_000, 1_000_000, 10_000_000]
        given.count, given.opt_outs, given.imported = 30_000, 5_000_000, 1_000_000
    report = Report.begin()
    for name, part in PARTS.items():
        if not given.only or name in given.only:
            print(f"{name}:", flush=True)
            measure(part, given, report)
    report.show()
    if given.json:
        report.save(given.json)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    made.add_argument("--only", action="append", choices=PARTS)
    made.add_argument("--full", action="store_true", help="lists of ten million, longer rounds")
    made.add_argument("--json", type=Path, help="the file that every round is written to")
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--count", type=int, default=8000, help="requests a round")
    made.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    made.add_argument(
        "--recorded", type=int, default=50_000, help="opt-outs whose bytes are counted"
    )
    made.add_argument("--imported", type=int, default=200_000, help="rows of the list")
    made.add_argument("--import-rounds", type=int, default=3)
    made.add_argument(
        "--opt-outs", type=int, default=1_000_000, help="of the brand with 50 senders"
    )
    return made


def measure(part, given: argparse.Namespace, report: Report) -> None:
    """Measure on a database of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="prefsvc-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with engine.running(folder / "data") as running:
            asyncio.run(part(Setting(running, folder, given, report)))


if __name__ == "__main__":
    main()
