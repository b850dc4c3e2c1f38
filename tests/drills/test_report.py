"""A drill that was not held to its end is none that went well."""

from tests.drills.report import Line, document, row


def test_a_drill_that_broke_off_is_not_well_and_says_why():
    line = Line("service killed", broken_off="TimeoutError: it did not come back")
    assert not line.is_well
    assert "broken off" in row(line)
    assert "did not come back" in line.complaints
    [written] = document([line], seed=1)["drills"]
    assert "did not come back" in written["broken_off"]


def test_a_drill_that_cannot_be_held_here_is_no_fault():
    line = Line("disk full", skipped="no disk may be mounted")
    assert line.is_well
    assert row(line).endswith("skipped: no disk may be mounted")
