"""Killed with SIGKILL in the middle of an import: run again, every row is recorded, and once."""

import subprocess
import sys

import pytest

from tests.support.running_service import (
    PREFSVC,
    ask_database,
    environment,
    open_folder,
    run,
    serving,
    until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine's own tests say why")

ROWS = 6_000
EVENTS = "select count(*), count(distinct address_key) from preference_event"


@pytest.mark.parametrize("processes", [1, 2])
def test_every_row_is_recorded_once_whenever_the_import_is_killed(processes):
    with open_folder() as folder, serving(folder) as service:
        assert service.event("serving")
        file = folder / "list.csv"
        file.write_text(
            "email,status,created_at\n"
            + "".join(
                f"person{n}@example.com,{'active' if n % 100 == 7 else 'stop'},2024-03-14\n"
                for n in range(ROWS)
            )
        )
        words = ["import", str(file), "--brand", "1-atelier", "--processes", str(processes)]
        for part in (1, 4, 7):
            importing = subprocess.Popen(
                [*PREFSVC, *words], env=environment(folder, {}), stdout=subprocess.DEVNULL
            )
            until(
                lambda least=part * ROWS // 10, one=importing: (
                    ask_database(folder, EVENTS)[0] >= least or one.poll() is not None
                )
            )
            importing.kill()  # what it has begun may still be going on while the next one starts
            importing.wait()
        last = run(folder, *words)
        expected = ROWS - ROWS // 100
        assert last.stdout == f"email: {expected:,} new\nrefused: {ROWS // 100} not_an_opt_out\n"
        assert last.returncode == 1
        assert ask_database(folder, EVENTS) == (expected, expected)
        assert ask_database(folder, "select count(*) from suppression where active") == (expected,)
        verified = run(folder, "ledger", "verify")
        assert (verified.returncode, verified.stderr) == (0, "")
        again = run(folder, *words)
        assert again.stdout.startswith("This was imported already")
