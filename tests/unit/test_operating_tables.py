from pathlib import Path

import pytest

from prefsvc.cli.operating_tables import knobs, metrics_table, rewritten
from prefsvc.settings import Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "operating.md"


def test_the_tables_of_the_operating_manual_are_fresh():
    document = DOCUMENT.read_text("utf-8")
    assert document == rewritten(document), "run `make tables`"


def test_every_setting_has_a_sentence_and_a_group():
    found = list(knobs())
    assert [one.name for one in found] == list(Settings.model_fields)
    assert all(one.sentence.endswith(".") and one.group for one in found)


def test_metrics_stand_under_the_name_that_prometheus_reads():
    assert "| `prefsvc_opt_outs_total` | counter |" in metrics_table()


def test_a_manual_without_a_place_for_its_tables_is_refused():
    with pytest.raises(LookupError, match="no place for its settings"):
        rewritten("# Operating prefsvc\n")
