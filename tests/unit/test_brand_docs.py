import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefsvc import honour
from prefsvc.brand import Brand
from prefsvc.errors import BrandRefusal
from tests.unit.brand_documents import as_toml, small

DOCS = (Path(__file__).parents[2] / "docs" / "brands.md").read_text("utf-8")
STRAY = {"nonsense": "x"}
TABLES = {
    "the top": STRAY,
    "support": {"support": STRAY},
    "page": {"page": STRAY},
    "sms": {"sms": STRAY},
    "replies": {"sms": {"replies": STRAY}},
    "promises": {"promises": {"email": STRAY | {"window": "1 day"}}},
    "mailboxes": {"mailboxes": [STRAY | {"name": "a", "server": "x", "user": "a@example.com"}]},
    "topics": {"topics": [STRAY | {"slug": "news", "name": "News", "channels": ["email"]}]},
}


@pytest.mark.parametrize("table", TABLES)
def test_every_key_is_in_a_table_of_the_documentation(table):
    with pytest.raises(BrandRefusal) as refused:
        Brand.from_toml(as_toml(small(**TABLES[table])), file="acme.toml")
    found = [one for one in refused.value.problems if "nonsense: no such key" in one]
    keys = found[0].partition("allowed: ")[2].split(", ")
    rows = [line.split("|")[1] for line in DOCS.splitlines() if line.startswith("| ")]
    documented = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert set(keys) <= documented


def test_the_documented_example_is_sound():
    example = re.search(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    assert example
    acme = Brand.from_toml(example[1], file="docs/brands.md")
    assert acme.name_in("fr") == "Acmé"


def test_every_rule_is_documented_with_its_window():
    for rule in honour.load_rules().values():
        row = next(line for line in DOCS.splitlines() if line.startswith(f"| `{rule.id}` |"))
        assert f"| {rule.window.written}" in row


def test_the_documented_explanation_is_what_is_said():
    noon = datetime(2026, 11, 20, 17, tzinfo=UTC)
    found = honour.deadline(
        honour.rules_of(["can-spam"]),
        honour.Promise("email", honour.Span(10, "calendar_days")),
        honour.Moments(received_at=noon, recorded_at=noon),
        channel="email",
        recipient_domain="example.com",
        time_zone="America/New_York",
    )
    said = found.explain().replace(honour.CALENDAR_VERSION, "")
    documented = re.sub(r"holidays \d+\.\d+", "", DOCS)
    assert said in documented
