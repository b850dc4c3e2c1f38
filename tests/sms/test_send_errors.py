"""Which errors say something of the person (S-28): no more than these."""

import re
from pathlib import Path

import pytest

from prefsvc.sms.twilio.send_errors import SEND_ERRORS


def test_only_these_errors_say_something_of_the_person():
    by_reason = {}
    for code, error in SEND_ERRORS.items():
        by_reason.setdefault(error.reason, set()).add(code)
    assert by_reason == {
        "opt_out": {"21610", "63014"},
        "undeliverable": {"30006", "21635", "21614"},
    }


@pytest.mark.parametrize("error", SEND_ERRORS.values(), ids=SEND_ERRORS)
def test_every_row_names_its_code_its_rule_and_its_meaning(error):
    assert SEND_ERRORS[error.code] is error
    assert error.rule in {"S-27", "S-28"}
    assert error.meaning


def test_the_operators_table_has_every_error_under_what_is_recorded():
    page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text("utf-8")
    rows = re.findall(r"^\| ((?:`\d{5}`(?:, )?)+) \|.*\| (.+) \|$", page, re.MULTILINE)
    told = {code: recorded for codes, recorded in rows for code in re.findall(r"\d+", codes)}
    assert set(told) == set(SEND_ERRORS)
    for code, error in SEND_ERRORS.items():
        assert ("undeliverable" in told[code]) == (error.reason == "undeliverable")
