"""Killed with SIGKILL while mail is handed over: what was acknowledged is there, once."""

import signal
import smtplib
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.running_service import ask_database, open_folder, serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine's own tests say why")

BOX = "unsubscribe@ducallier.example.org"
MAILS, ROUNDS = 40, 4


def remove(number):
    return (
        f"From: person{number}@example.com\r\nTo: {BOX}\r\nSubject: Remove From Mailing List\r\n"
        f"Message-ID: <{number}@example.com>\r\n\r\n"
    ).encode()


def hand_over(port, number):
    """Say whether a mail was acknowledged."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as server:
            server.sendmail(f"person{number}@example.com", [BOX], remove(number))
    except (OSError, smtplib.SMTPException):
        return False
    return True


def test_every_mail_ends_as_one_opt_out_whenever_the_service_is_killed():
    waiting = set(range(MAILS))
    with open_folder() as folder, ThreadPoolExecutor(8) as hands:
        for left in reversed(range(ROUNDS)):
            with serving(folder, mail_listen_port=0) as service:
                port = service.event("taking_mail")["port"]
                tried = [(number, hands.submit(hand_over, port, number)) for number in waiting]
                if left:
                    # As soon as so many were taken, with others in every state of their way.
                    for _, one in tried[: len(tried) // ROUNDS]:
                        one.result()
                    service.stop(signal.SIGKILL)
                waiting = {number for number, one in tried if not one.result()}
                if not left:
                    found = ask_database(
                        folder, "select count(*), count(distinct address_key) from preference_event"
                    )
    assert not waiting
    assert found == (MAILS, MAILS)
