"""What every part of the bench is given: a database of its own, a folder, and the report."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prefsvc import app
from prefsvc.doors import Service
from prefsvc.engine import Engine
from prefsvc.settings import Settings
from prefsvc.vault import open_vault
from tests.bench.report import Report


@dataclass(frozen=True)
class Setting:
    """Where a part measures, how much of it, and where it says what it found."""

    engine: Engine
    folder: Path
    given: argparse.Namespace
    report: Report

    @property
    def rounds(self) -> int:
        return int(self.given.rounds)

    @property
    def count(self) -> int:
        """Return how many requests one round makes."""
        return int(self.given.count)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Service]:
        """Open the service in this process, to write what is measured elsewhere."""
        settings = Settings(data_dir=self.folder, secrets_dir=self.folder / "secrets")
        vault = open_vault(settings, make_missing=True)
        async with app.opened(settings, vault, self.engine.dsn) as service:
            yield service
