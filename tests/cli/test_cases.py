import getpass
from datetime import timedelta
from uuid import uuid4

import pytest

from prefsvc import cases, senders, sends
from prefsvc.sends import Reported
from prefsvc.violations import Report
from tests.support.cast import ANN
from tests.support.register import act, record

ATELIER, DUCALLIER = "1-atelier", "ducallier"


@pytest.fixture(scope="module")
def state():
    """What the module's first test has made, since its database is kept."""
    return {}


@pytest.fixture
def case_id(work, brands, state):
    """A case of one violation, by a sender of atelier's."""

    async def violate(service):
        brand, now = service.book.get(ATELIER), service.now()
        said = act(service, ANN, brand=ATELIER, received_at=now - timedelta(days=90))
        await record(service, said)
        async with service.database.transaction() as tx:
            sender = await senders.add(tx, brand, "mailer", "email")
            message = Reported(said.recipient.address_key, now, None, None, "")
            [found] = await sends.add(tx, Report(brand, sender), [message], latest=now)
        return found.case_id

    if "case_id" not in state:
        state["case_id"] = work(violate)
    return state["case_id"]


def test_without_any_it_says_so(prefsvc, brands):
    assert prefsvc("cases", "list", DUCALLIER).out == "There is no such case.\n"


def test_it_is_listed_and_shown_with_what_proves_it(prefsvc, case_id):
    [line] = prefsvc("cases", "list", ATELIER, "--state", "open").out.splitlines()
    assert f"{case_id}  mailer  violation  violations: 1  open" in line
    shown = prefsvc("cases", "show", ATELIER, case_id)
    assert (shown.code, shown.err) == (0, "")
    head, violation = shown.out.splitlines()
    assert head == line
    assert f"to {ANN}" in violation
    assert "had not heard" in violation


def test_they_are_chosen_by_sender(prefsvc, case_id):
    assert str(case_id) in prefsvc("cases", "list", ATELIER, "--sender", "mailer").out
    ran = prefsvc("cases", "list", ATELIER, "--sender", "nobody")
    assert (ran.code, ran.out) == (1, "")
    assert "no such sender" in ran.err


def test_it_is_noted_about_and_resolved_once(prefsvc, case_id, work, monkeypatch):
    noted = prefsvc("cases", "note", ATELIER, case_id, "Asked the agency.", "--by", "Carol")
    assert noted.out.endswith("Carol: Asked the agency.\n")
    monkeypatch.setattr(getpass, "getuser", nameless)
    resolved = prefsvc("cases", "resolve", ATELIER, case_id, "An old list.", "--note", "Told them.")
    assert resolved.out.endswith("resolved by the command line: An old list.\n")
    again = prefsvc("cases", "resolve", ATELIER, case_id, "Another.")
    assert (again.code, again.out) == (1, "")
    assert "resolved with another cause" in again.err
    shown = prefsvc("cases", "show", ATELIER, case_id).out
    assert [line for line in shown.splitlines() if line.startswith("  note")] == [
        line
        for line in shown.splitlines()
        if line.endswith(("Carol: Asked the agency.", "the command line: Told them."))
    ]
    assert prefsvc("cases", "list", ATELIER, "--state", "open").out == "There is no such case.\n"


def nameless():
    raise KeyError("getpwuid(): uid not found: 4711")


@pytest.mark.parametrize("brand", [ATELIER, DUCALLIER])
def test_a_case_of_another_brand_or_of_none_is_refused(prefsvc, case_id, brand):
    asked = uuid4() if brand == ATELIER else case_id
    for words in (("show",), ("note", "Mine."), ("resolve", "Mine.")):
        ran = prefsvc("cases", words[0], brand, asked, *words[1:])
        assert (ran.code, ran.out) == (1, "")
        assert "no such case" in ran.err


def test_an_overdue_case_says_when_its_sender_caught_up(prefsvc, work, case_id):
    async def overdue(service):
        brand = service.book.get(ATELIER)
        async with service.database.transaction() as tx:
            sender = await senders.find(tx, brand, "mailer")
            opened = await cases.open_overdue(tx, sender, {})
            await cases.recovered(tx, sender.sender_id)
        return opened

    opened = work(overdue)
    shown = prefsvc("cases", "show", ATELIER, opened).out
    assert f"{opened}  mailer  overdue  caught up 2" in shown
    assert "prefsvc: The sender has caught up." in shown
