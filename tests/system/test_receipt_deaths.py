"""Killed with SIGKILL between an opt-out by mail and its receipt: one receipt still goes out."""

import asyncio
import signal
import smtplib
import socket
import sys
import threading
from contextlib import contextmanager

import pytest

from tests.support.mail_relay import Relay, Smtp
from tests.support.running_service import ask_database, open_folder, serving, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine's own tests say why")

BOX = "unsubscribe@ducallier.example.org"
ANN = "ann@example.org"


def remove(number):
    return (
        f"From: {ANN}\r\nTo: {BOX}\r\nSubject: Remove From Mailing List\r\n"
        f"Date: Fri, 20 Nov 2026 17:00:00 +0000\r\nMessage-ID: <{number}@example.org>\r\n\r\n"
    ).encode()


def hand_over(service, number):
    port = service.event("taking_mail")["port"]
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as server:
        server.sendmail(ANN, [BOX], remove(number))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def relaying(port):
    """Be the mail server, in a thread, for the block's length."""
    relay, loop = Relay(port), asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(lambda: Smtp(relay, loop=loop), "127.0.0.1", port)
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_the_receipt_of_an_opt_out_that_was_taken_goes_out_once_after_a_restart():
    port = free_port()  # where nobody listens yet
    settings = {
        "mail_listen_port": 0,
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_security": "none",
        "delivery_timeout_seconds": 2,
        "delivery_schedule_seconds": "0.3,0.3,0.5,1,1,2,5,10,30",
    }
    with open_folder() as folder:
        with serving(folder, **settings) as first:
            until(first.is_ready)
            hand_over(first, 1)
            assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        with relaying(port) as relay, serving(folder, **settings) as second:
            until(lambda: relay.taken)
            # What is said again, in this life of the process, is not answered again.
            hand_over(second, 2)
            found = ask_database(
                folder,
                "select count(*), (select count(*) from preference_event where act = 'opt_out')"
                " from delivery where type = 'receipt'",
            )
            assert found == (1, 2)
            until(lambda: ask_database(folder, "select state from delivery") == ("delivered",))
            assert second.stop() == 0
    [taken] = relay.taken
    assert (taken.reverse_path, taken.recipients) == ("", [ANN])
    assert taken.mail["In-Reply-To"] == "<1@example.org>"
