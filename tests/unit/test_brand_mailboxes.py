from datetime import date
from functools import partial

import pytest

from prefsvc.brand import Brand, check_together, difference
from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.errors import BrandRefusal
from tests.support.brand_files import brand, problems, table
from tests.support.cast import GLOBEX

BOX = {"name": "acme-stop", "server": "imap.example.com", "user": "stop@acme.example.com"}
MOVE = {"when_taken": "move", "taken_folder": "Taken"}
mailbox = partial(table, "mailboxes")


def test_a_mailbox_is_read_and_written_the_same():
    made = brand(mailbox(**BOX, since="2026-01-31", **MOVE))
    assert Brand.from_document(made.to_document()) == made
    [box] = made.mailboxes
    assert (box.address, box.folder, box.security) == ("stop@acme.example.com", "INBOX", "tls")
    assert (box.since_day, box.aside_folder) == (date(2026, 1, 31), "Taken-set-aside")


@pytest.mark.parametrize(
    ("server", "security", "found"),
    [
        ("imap.example.com", "tls", ("imap.example.com", 993)),
        ("IMAP.example.com", "starttls", ("imap.example.com", 143)),
        ("imap.example.com:1993", "tls", ("imap.example.com", 1993)),
        ("localhost", "none", ("localhost", 143)),
        ("127.0.0.1:1143", "none", ("127.0.0.1", 1143)),
        ("[::1]:1143", "none", ("::1", 1143)),
        ("[2001:db8::1]", "tls", ("2001:db8::1", 993)),
    ],
)
def test_a_server_has_the_usual_port_or_its_own(server, security, found):
    [box] = brand(mailbox(**BOX | {"server": server, "security": security})).mailboxes
    assert (box.host, box.port) == found


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"name": None}, "mailboxes[0]: name is missing"),
        ({"server": None}, "mailboxes[0]: server is missing"),
        ({"user": None}, "mailboxes[0]: user is missing"),
        ({"name": "A b"}, "is no slug"),
        ({"server": "imap.example.com/INBOX"}, "is no server"),
        ({"server": "imap.example.com:99999"}, "is no server"),
        ({"server": "imap.example.com:0"}, "is no server"),
        ({"server": "[::g]"}, "is no server"),
        ({"server": "user@imap.example.com"}, "is no server"),
        ({"security": "ssl"}, '"ssl" is not known here'),
        ({"security": "none"}, "is for a server on this machine"),
        ({"user": "stop"}, "address is missing: user is no address"),
        ({"user": "stop", "address": "stop"}, "is not an email address"),
        ({"folder": ""}, "must not be empty"),
        ({"since": "last year"}, "is no day"),
        ({"when_taken": "burn"}, '"burn" is not known here'),
        ({"when_taken": "move"}, "taken_folder is what"),
        ({"taken_folder": "Taken"}, "taken_folder is what"),
        (MOVE | {"taken_folder": "INBOX"}, "must be another folder"),
        ({"password": "s"}, "password: no such key"),
    ],
)
def test_what_is_wrong_with_a_mailbox_is_said(keys, complaint):
    given = {key: value for key, value in (BOX | keys).items() if value is not None}
    assert complaint in problems(mailbox(**given))


def test_two_mailboxes_of_one_name_are_refused():
    assert "another mailbox has the name" in problems(mailbox(**BOX), mailbox(**BOX))


def test_two_mailboxes_of_one_place_are_refused():
    same = BOX | {"name": "other", "server": "IMAP.example.com:993"}
    said = problems(mailbox(**BOX), mailbox(**same))
    assert "another mailbox is INBOX of stop@acme.example.com at imap.example.com:993" in said
    brand(mailbox(**BOX), mailbox(**same, folder="Stop"))


def test_a_brand_without_email_has_no_mailboxes():
    without = GLOBEX.replace('["email", "sms"]', '["sms"]')
    assert "is for the channel email" in problems(mailbox(**BOX), of=without)


@pytest.mark.parametrize("name", ["acme-stop", "globex-stop"])
def test_a_mailbox_belongs_to_one_brand_whatever_it_is_called(name):
    other = brand(mailbox(**BOX | {"name": name}), of=GLOBEX)
    with pytest.raises(BrandRefusal, match="claimed by acme and globex"):
        check_together([brand(mailbox(**BOX)), other])


def test_applying_a_mailbox_says_so_and_again_does_not():
    assert any("mailboxes" in line for line in difference(brand(), brand(mailbox(**BOX))))
    assert not difference(brand(mailbox(**BOX)), brand(mailbox(**BOX)))


def test_a_mailbox_is_found_by_its_name():
    book = BrandBook.of([AppliedBrand(1, brand(mailbox(**BOX)))], [b"k" * 32])
    found, box = book.by_mailbox["acme-stop"]
    assert (found.slug, box.user) == ("acme", "stop@acme.example.com")
