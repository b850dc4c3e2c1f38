"""Processes that start while their PostgreSQL is down take what comes, and record it later."""

import os
import re
import signal
import sys
from contextlib import contextmanager
from urllib.parse import quote, urlencode
from urllib.request import Request

import pytest

from prefsvc import engine
from prefsvc.examples import examples
from tests.sms.twilio_client import signed, sms
from tests.support.running_service import ask_database, children, open_folder, run, serving, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine's own tests say why")

NUMBER = "+12025550141"
"""One of the brand petite-studio, which ships."""
PEOPLE = 12


def url(folder):
    """Say where its database is, whether it runs or not."""
    return f"postgresql://prefsvc@/prefsvc?host={quote(str(folder / 'at'))}&port=5432"


@contextmanager
def database(folder):
    """Run it for the block."""
    with engine.running(folder / "server") as server:
        (folder / "at").symlink_to(re.search(r"host=([^&]+)", server.dsn)[1])
        yield
    (folder / "at").unlink()


def text(service, token, person):
    """Hand a STOP over; return how it was answered."""
    form = sms("STOP", from_=f"+12025550{person:03d}", to=NUMBER, MessageSid=f"SM{person:032x}")
    hook = service.origin + "/hooks/twilio/messages"
    return service.send(Request(hook, urlencode(form).encode(), signed(hook, form, token))).status


def stands(service):
    document = service.ask("/readyz").document
    return document["status"], document["spool"]["waiting"]


def workers(service):
    return set(children(service.process.pid, b"prefsvc.processes.worker"))


def ready_count(service):
    """Count the workers that have ever served."""
    return service.err.count('"event":"worker_ready"')


def test_workers_that_start_without_it_keep_every_stop_until_it_is_there():
    with open_folder() as folder:
        assert run(folder, "secrets", "make").returncode == 0
        token = "0123456789abcdef0123456789abcdef"
        given = {"workers": 2, "brands_dir": examples(), "twilio_auth_tokens": token}
        given["database_url"] = url(folder)
        with database(folder), serving(folder, **given) as service:
            until(service.is_ready)
            until((folder / "data" / "spool" / "known.json").exists)
            assert service.stop() == 0
        people = iter(range(100, 100 + PEOPLE))
        with serving(folder, **given) as service:
            until(service.is_ready)
            assert {text(service, token, next(people)) for _ in range(4)} == {200}
            assert stands(service) == ("spooling", 4)
            # A worker that dies meanwhile is replaced by one that has not seen it, either ...
            until(lambda: ready_count(service) == 2)
            gone, left = sorted(workers(service))
            os.kill(gone, signal.SIGKILL)
            until(lambda: ready_count(service) == 3)
            assert gone not in workers(service)
            assert {text(service, token, next(people)) for _ in range(4)} == {200}
            # ... and one that lives by none, for it may know keys that a new one would not.
            service.process.send_signal(signal.SIGHUP)
            assert service.event("restart_failed")
            assert left in workers(service)
            assert {text(service, token, next(people)) for _ in range(4)} == {200}
            with database(folder):
                until(lambda: stands(service) == ("ready", 0))
                listed = run(folder, "ledger", "verify", **given)
                assert listed.returncode == 0, listed.stderr
                assert f"{PEOPLE} " in listed.stdout
                assert service.stop() == 0


def test_a_worker_that_dies_while_the_embedded_database_is_down_is_replaced():
    with open_folder() as folder, serving(folder, workers=2) as service:
        until(lambda: ready_count(service) == 2)
        until((folder / "data" / "spool" / "known.json").exists)
        token = (folder / "data" / "secrets" / "twilio_auth_token").read_text().strip()
        needed = folder / "data" / "postgres" / "postgresql.conf"
        aside = needed.rename(needed.with_suffix(".aside"))
        os.kill(service.event("serving")["pid_of_postgresql"], signal.SIGKILL)
        until(lambda: stands(service) == ("spooling", 0))
        os.kill(min(workers(service)), signal.SIGKILL)
        until(lambda: ready_count(service) == 3)
        assert {text(service, token, person) for person in range(100, 100 + PEOPLE)} == {200}
        aside.rename(needed)
        until(lambda: stands(service) == ("ready", 0))
        assert ask_database(folder, "select count(*) from preference_event") == (PEOPLE,)
