"""Killed with SIGKILL while mail is pulled from a mailbox: every mail is one opt-out in the end."""

import signal
import sys
from functools import partial

import pytest

from prefsvc.examples import examples
from tests.support import dovecot
from tests.support.running_service import ask_database, open_folder, serving, until
from tests.unit.test_brand_mailboxes import mailbox

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the engine's own tests say why"),
    dovecot.needed,
]

NAME = "ducallier-stop"
BOX = "unsubscribe@ducallier.example.org"
MAILS, ROUNDS = 60, 4
TAKEN = {"PrefsvcTaken", "\\Seen"}


def remove(number):
    return (
        f"From: person{number}@example.com\r\nTo: {BOX}\r\nSubject: Remove From Mailing List\r\n"
        f"Message-ID: <{number}@example.com>\r\n\r\n"
    ).encode()


def brands(folder, server, user):
    """Write a folder with ducallier's file and a mailbox in it."""
    made = folder / "brands"
    made.mkdir()
    box = mailbox(
        name=NAME, server=f"127.0.0.1:{server.port}", security="none", user=user, address=BOX
    )
    (made / "ducallier.toml").write_text((examples() / "ducallier.toml").read_text() + box)
    return made


def has_taken(service, some):
    return service.err.count('"event":"mail"') > some


def test_every_mail_ends_as_one_opt_out_whenever_the_service_is_killed():
    with dovecot.serving() as server, open_folder() as folder:
        user = server.new_user()
        server.deliver(user, *map(remove, range(MAILS)))
        settings = {
            "brands_dir": brands(folder, server, user),
            "mailbox_passwords": f"{NAME}:{dovecot.PASSWORD}",
            "mailbox_batch_max": 15,  # so that there are many moments between taking and marking
        }
        torn = []
        for some in range(0, (ROUNDS - 1) * 3, 3):
            before = server.flags(user).count(TAKEN)
            with serving(folder, **settings) as service:
                # Somewhere behind so many: taken, and marked or not.
                until(partial(has_taken, service, some))
                service.stop(signal.SIGKILL)
            marked = server.flags(user).count(TAKEN) - before
            torn.append(has_taken(service, marked))
        with serving(folder, **settings) as service:
            until(lambda: server.flags(user) == [TAKEN] * MAILS)
            found = ask_database(
                folder, "select count(*), count(distinct address_key) from preference_event"
            )
            metrics = service.ask("/metrics").body.decode()
            said = service.err
    assert any(torn), "it was never killed between taking and marking"
    assert found == (MAILS, MAILS)
    assert f'prefsvc_mailbox_set_aside{{mailbox="{NAME}"}}' in metrics
    assert not any(word in said for word in (dovecot.PASSWORD, "s3cret", user, "person"))
