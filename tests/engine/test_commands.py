import json

import pytest

from prefsvc.engine import connected, running
from prefsvc.engine.directory import prepare
from prefsvc.engine.runtime import Notice, announce
from prefsvc.errors import EngineInUse
from tests.engine.helpers import is_alive, kill, on_linux, psql, service, start, until


def test_a_command_uses_the_live_services_server(data_dir):
    with running(data_dir) as engine:
        with connected(data_dir) as dsn:
            assert dsn == engine.dsn
        assert psql(engine.dsn, "select 1") == "1"


def test_a_command_starts_a_server_of_its_own_and_stops_it(data_dir):
    with connected(data_dir) as dsn:
        assert psql(dsn, "select 1") == "1"
    with running(data_dir) as engine:
        assert engine.dsn != dsn


def test_a_command_makes_the_database_if_there_is_none(area):
    with connected(area / "data") as dsn:
        assert psql(dsn, "select current_database()") == "prefsvc"


def test_a_command_waits_for_a_service_that_is_starting(area):
    notice = area / "data" / "engine.json"
    service_process = start(area / "data")
    until(notice.exists)
    assert '"sockets": ""' in notice.read_text()
    command = start(area / "data", kind="command")
    served, given = (json.loads(one.stdout.readline()) for one in (service_process, command))
    assert served["dsn"] == given["dsn"]
    command.communicate()
    service_process.communicate()


def test_commands_take_turns(data_dir):
    with service(data_dir, kind="command") as (first, said):
        second = start(data_dir, kind="command")
        third = start(data_dir, kind="service")
        first.stdin.close()
        answers = []
        for process in (second, third):
            answers.append(json.loads(process.stdout.readline())["dsn"])
            process.communicate()
    assert said["dsn"] not in answers


def test_a_command_does_not_wait_for_ever(data_dir):
    with (
        connected(data_dir),
        pytest.raises(EngineInUse, match="try again"),
        connected(data_dir, start_timeout_seconds=0.1),
    ):
        pass


@on_linux
def test_the_notice_of_a_killed_service_is_not_believed(data_dir):
    with service(data_dir) as (process, said):
        kill(process.pid)
        process.wait()
        with connected(data_dir) as dsn:
            assert dsn != said["dsn"]
            assert psql(dsn, "select 1") == "1"
        assert not is_alive(said["pid"])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "service", "pid": "x"}'])
def test_a_damaged_notice_does_no_harm(data_dir, text):
    (data_dir / "engine.json").write_text(text)
    with connected(data_dir) as dsn:
        assert psql(dsn, "select 1") == "1"


def test_a_notice_whose_server_does_not_answer_is_not_believed(data_dir):
    directory = prepare(data_dir)
    with running(data_dir) as engine:
        announce(directory, Notice("service", engine.pid, str(data_dir / "nothing")))
        with pytest.raises(EngineInUse), connected(data_dir, start_timeout_seconds=0.1):
            pass
