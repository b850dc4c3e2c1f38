import asyncio
import io
import json
import re
from types import SimpleNamespace

import pytest
import structlog
from structlog.testing import capture_logs

from prefsvc import logs
from prefsvc.logs import _Lines


@pytest.fixture
def out():
    return io.BytesIO()


@pytest.fixture
def lines(out):
    return _Lines(out)


def written(out):
    return out.getvalue().decode().splitlines()


async def test_what_is_logged_in_one_turn_goes_out_in_order_at_its_end(out, lines):
    for n in range(3):
        lines.info(b"%d" % n)
    assert written(out) == []
    await asyncio.sleep(0)
    assert written(out) == ["0", "1", "2"]
    lines.info(b"3")
    await asyncio.sleep(0)
    assert written(out) == ["0", "1", "2", "3"]


async def test_a_warning_goes_out_at_once_after_what_waited_before_it(out, lines):
    lines.info(b"before")
    lines.warning(b"warning")
    assert written(out) == ["before", "warning"]
    await asyncio.sleep(0)
    assert written(out) == ["before", "warning"]


def test_a_line_goes_out_at_once_where_no_event_loop_runs(out, lines):
    lines.info(b"line")
    assert written(out) == ["line"]


async def test_a_line_of_another_thread_goes_out_too(out, lines):
    lines.info(b"before")
    await asyncio.to_thread(lines.info, b"of a thread")
    assert written(out) == ["before", "of a thread"]


async def test_a_log_that_nobody_reads_any_more_fails_nobody(out, lines):
    out.close()
    lines.info(b"line")
    lines.error(b"line")
    await asyncio.sleep(0)


def test_every_event_has_its_level_its_time_and_the_request_that_it_belongs_to():
    outside = logs.REQUEST_ID.set("0123456789abcdef")
    try:
        event = json.loads(logs._line(None, "info", {"event": "tried", "kind": "some"}))
    finally:
        logs.REQUEST_ID.reset(outside)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "tried",
        "kind": "some",
        "level": "info",
        "request_id": "0123456789abcdef",
    }
    assert "request_id" not in json.loads(logs._line(None, "info", {"event": "tried"}))


def test_what_json_has_no_form_for_is_written_in_words():
    assert json.loads(logs._line(None, "info", {"event": "tried", "what": Ellipsis}))["what"]


MOMENT = re.compile(r'"timestamp":"[^"]*Z"')


@pytest.fixture
def configure(monkeypatch, out):
    """Logs as a service has them, until the test ends."""

    def to(level):
        monkeypatch.setattr(logs.sys, "stderr", SimpleNamespace(buffer=out))
        monkeypatch.setattr(logs.logging, "basicConfig", lambda **_: None)
        logs.configure(level)

    yield to
    structlog.reset_defaults()


@pytest.mark.parametrize("level", ["info", "warning"])
def test_what_is_logged_all_the_time_is_logged_as_all_else(configure, out, level):
    configure(level)
    fields = {"route": "/livez", "status": 200, "ms": 0.1}
    structlog.get_logger().info("request", **fields)
    logs.logger_of("request")(**fields)
    by_structlog, straight = written(out) or ["", ""]
    assert bool(straight) == (level == "info")
    assert MOMENT.sub("", straight) == MOMENT.sub("", by_structlog)


def test_where_logs_are_not_configured_it_goes_where_all_else_does():
    with capture_logs() as said:
        logs.logger_of("request")(status=200)
    assert said == [{"event": "request", "log_level": "info", "status": 200}]
