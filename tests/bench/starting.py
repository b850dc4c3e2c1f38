"""How long `prefsvc serve` takes until it answers, with its own PostgreSQL: new, and again."""

import tempfile
from pathlib import Path

from tests.bench.served import served
from tests.bench.setting import Setting


async def bench(setting: Setting) -> None:
    cold, warm = [], []
    for _ in range(setting.rounds):
        with tempfile.TemporaryDirectory(prefix="prefsvc-bench-") as name:
            for took in (cold, warm):
                async with served(None, Path(name)) as one:
                    took.append(one.started_in_seconds)
    setting.report.alone("start from nothing", "s", cold)
    setting.report.alone("start again", "s", warm)
