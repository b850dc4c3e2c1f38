"""What docs/deadlines.md and docs/senders.md say is so."""

import re
from pathlib import Path
from typing import get_args

import pytest

from prefsvc import errors
from prefsvc.alarm_words import ALARM_TYPES
from prefsvc.heard import HeardState
from prefsvc.settings import Settings
from prefsvc.standing import SenderState
from prefsvc.suppression import Reason, ScopeKind
from prefsvc.verdict import VerdictKind, Why
from prefsvc.web.problems import STATUS

DOCS = Path(__file__).parents[2] / "docs"
DEADLINES, SENDERS = ((DOCS / name).read_text("utf-8") for name in ("deadlines.md", "senders.md"))
PAGES = sorted(DOCS.glob("**/*.md"))


def section(text, title):
    """Return a section of a page, without those that follow."""
    [found] = re.findall(rf"^## {title}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found


def first_cells(text):
    """Return what stands in code in the first cell of each row of a section's tables."""
    text = re.sub(r"^.*\n\|-.*$", "", text, flags=re.MULTILINE)  # their heads
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def drawn(text):
    """Return the states that a section's diagram draws."""
    arrows = re.findall(r"^ +(\S+) --> (\S+?)(?::.*)?$", text, re.MULTILINE)
    return {state for arrow in arrows for state in arrow} - {"[*]"}


def test_every_state_of_a_sender_is_drawn_and_told():
    text = section(DEADLINES, "A sender")
    assert drawn(text) == {*get_args(SenderState), "retired"}
    assert first_cells(text) >= set(get_args(SenderState))


def test_every_state_of_an_opt_out_is_told():
    text = section(DEADLINES, "An opt-out")
    assert set(re.findall(r"`(\w+)`", text)) >= set(get_args(HeardState))


def test_every_verdict_is_drawn_and_told_with_its_reasons():
    text = section(DEADLINES, "A send")
    assert drawn(text) == {*get_args(VerdictKind), "refused", "reported"}
    assert first_cells(text) == {*get_args(VerdictKind), "refused"}
    assert set(re.findall(r"`(\w+)`", text)) >= set(get_args(Why))
    assert first_cells(section(SENDERS, "The report")) == {*get_args(VerdictKind), "refused"}


def test_every_alarm_is_told():
    assert set(re.findall(r"`(\w+)`", DEADLINES)) >= set(ALARM_TYPES)


def test_every_scope_and_reason_of_a_line_is_told():
    every = {*get_args(ScopeKind), *get_args(Reason)}
    assert first_cells(section(SENDERS, "The list")) == every


def test_every_refusal_is_one_with_its_status():
    status_of = {"database_away": 503} | {one.code: status for one, status in STATUS.items()}
    rows = re.findall(r"^\| (\d{3}) (`.*?`) \|", SENDERS, re.MULTILINE)
    told = {code: int(status) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    assert len(told) > 10
    assert told == {code: status_of.get(code) for code in told}


def test_every_refusal_of_a_line_is_one():
    known = {one.code for one in vars(errors).values() if is_refusal(one)}
    told = set(re.findall(r"^\| in a report, `(\w+)` \|", SENDERS, re.MULTILINE))
    assert told == {"sent_in_the_future", "unknown_mailing"} & known


def is_refusal(thing):
    return isinstance(thing, type) and issubclass(thing, errors.Refusal)


def test_the_schedule_is_the_one_that_is_told():
    hours = (2, 5, 10, 14, 20, 24)
    seconds = (5, 5 * 60, 30 * 60, *(hour * 3600 for hour in hours))
    assert Settings().delivery_schedule_seconds == seconds
    assert "after 5 seconds, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours" in DEADLINES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        there = page.parent / target if target else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text("utf-8")), (target, anchor)


def anchors(text):
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
