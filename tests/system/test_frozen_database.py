"""Whatever the database does, Twilio is answered before it gives up (RULES S-08), and heard."""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlencode
from urllib.request import Request

import pytest

from prefsvc.engine.leftovers import processes
from tests.sms.twilio_client import signed, sms
from tests.support.running_service import ask_database, open_folder, serving, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine's own tests say why")

TWILIO_WAITS_SECONDS = 15
NUMBER = "+12025550141"
"""One of the brand petite-studio, which ships."""
PEOPLE = 24
"""More than the pool has connections."""


@contextmanager
def frozen(folder):
    """Stop every process of the database for the block, as a stuck disk does."""
    pids = processes(folder / "data" / "postgres")
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def post(service, folder, person):
    """Hand a STOP over; return how it was answered, and after how many seconds."""
    token = (folder / "data" / "secrets" / "twilio_auth_token").read_text().strip()
    form = sms("STOP", from_=f"+12025550{person:03d}", to=NUMBER, MessageSid=f"SM{person:032x}")
    url = service.origin + "/hooks/twilio/messages"
    request = Request(url, urlencode(form).encode(), signed(url, form, token))
    began_at = time.monotonic()
    return service.send(request).status, time.monotonic() - began_at


def test_while_the_database_is_frozen_twilio_is_answered_and_no_stop_is_lost():
    with open_folder() as folder, serving(folder) as service, ThreadPoolExecutor(PEOPLE) as pool:
        until(service.is_ready)
        people = range(100, 100 + PEOPLE)
        assert post(service, folder, 99)[0] == 200
        with frozen(folder):
            answers = list(pool.map(lambda person: post(service, folder, person), people))
            assert {status for status, _ in answers} == {200}
            assert max(seconds for _, seconds in answers) < TWILIO_WAITS_SECONDS
            until(lambda: spool(service) == ("spooling", PEOPLE))
        until(lambda: spool(service) == ("ready", 0))
        # Twilio may try again all the same, and again.
        for _ in range(2):
            again = list(pool.map(lambda person: post(service, folder, person), people))
            assert {status for status, _ in again} == {200}
        query = "select (select count(*) from preference_event), (select count(*) from suppression)"
        assert ask_database(folder, query) == (PEOPLE + 1, PEOPLE + 1)


def test_what_is_in_the_spool_when_the_service_dies_is_recorded_at_the_next_start():
    with open_folder() as folder:
        with serving(folder) as service:
            until(service.is_ready)
            with frozen(folder):
                assert post(service, folder, 100)[0] == 200
                service.stop(signal.SIGKILL)
        with serving(folder) as service:
            until(lambda: service.is_ready() and spool(service) == ("ready", 0))
            assert ask_database(folder, "select count(*) from suppression where active") == (1,)


def spool(service):
    """How the service says that it stands, and how much waits."""
    document = service.ask("/readyz").document
    return document["status"], document["spool"]["waiting"]
