"""Which errors say something of the person (S-28): no more than these."""

import re
from pathlib import Path

import pytest

from prefsvc.sms.telnyx import send_errors as of_telnyx
from prefsvc.sms.twilio import send_errors as of_twilio

TABLES = {"Telnyx": of_telnyx.SEND_ERRORS, "Twilio": of_twilio.SEND_ERRORS}
ROWS = [(code, error) for table in TABLES.values() for code, error in table.items()]


@pytest.mark.parametrize(
    ("provider", "by_reason"),
    [
        ("Telnyx", {"opt_out": {"40300"}, "undeliverable": {"40001"}}),
        ("Twilio", {"opt_out": {"21610", "63014"}, "undeliverable": {"30006", "21635", "21614"}}),
    ],
)
def test_only_these_errors_say_something_of_the_person(provider, by_reason):
    found = {}
    for code, error in TABLES[provider].items():
        found.setdefault(error.reason, set()).add(code)
    assert found == by_reason


@pytest.mark.parametrize(("code", "error"), ROWS, ids=[code for code, _ in ROWS])
def test_every_row_names_its_code_its_rule_and_its_meaning(code, error):
    assert error.code == code
    assert error.rule in {"S-27", "S-28"}
    assert error.meaning


@pytest.mark.parametrize("provider", TABLES)
def test_the_operators_table_has_every_error_under_what_is_recorded(provider):
    page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text("utf-8")
    [section] = re.findall(rf"^## {provider}$(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| ((?:`\d{5}`(?:, )?)+) \|.*\| (.+) \|$", section, re.MULTILINE)
    told = {code: recorded for codes, recorded in rows for code in re.findall(r"\d+", codes)}
    assert set(told) == set(TABLES[provider])
    for code, error in TABLES[provider].items():
        assert ("undeliverable" in told[code]) == (error.reason == "undeliverable")
