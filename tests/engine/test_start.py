import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from prefsvc.engine import running, sockets
from prefsvc.engine.leftovers import processes
from prefsvc.errors import (
    ClusterNotMade,
    DataDirectoryUnusable,
    EngineInUse,
    EngineNotStarted,
    Refusal,
)
from tests.engine.helpers import is_alive, kill, on_linux, psql, service, start, until

SETTINGS = """
    select pg_encoding_to_char(encoding), current_user, current_setting('data_checksums'),
        current_setting('fsync'), current_setting('synchronous_commit'),
        current_setting('listen_addresses') = '', lower('Ä'), 'Z' < 'a' and 'z' < 'ä'
    from pg_database where datname = 'prefsvc' and datname = current_database()
"""
PROVIDER = "select datlocprovider, datlocale from pg_database where datname = 'prefsvc'"


def test_it_starts_from_nothing_with_a_safe_database(disk):
    with running(disk / "data") as engine:
        assert psql(engine.dsn, SETTINGS) == "UTF8|prefsvc|on|on|on|t|ä|t"
        if int(engine.version.split(".")[0]) >= 17:
            assert psql(engine.dsn, PROVIDER) == "b|C.UTF-8"


def test_it_knows_its_time_zones(data_dir):
    with running(data_dir) as engine:
        noon = "timestamptz '2026-07-01 12:00+00' at time zone 'America/New_York'"
        assert psql(engine.dsn, f"select {noon}") == "2026-07-01 08:00:00"


def test_a_second_start_finds_what_the_first_stored(data_dir):
    with running(data_dir) as engine:
        psql(engine.dsn, "create table kept as select 42 as answer")
    with running(data_dir) as engine:
        assert psql(engine.dsn, "select answer from kept") == "42"


@pytest.mark.parametrize("base", [Path("/run/prefsvc"), Path("/nonexistent")])
def test_the_path_of_the_data_directory_does_not_matter(area, monkeypatch, base):
    monkeypatch.setattr(sockets, "RUN", base)
    name = "with spaces, and 'quotes', каталог, " + "d" * 100
    with running(area / name) as engine:
        assert psql(engine.dsn, "select 1") == "1"


def test_a_relative_path_is_understood(data_dir, monkeypatch):
    monkeypatch.chdir(data_dir.parent)
    with running(data_dir.relative_to(data_dir.parent)) as engine:
        assert psql(engine.dsn, "select 1") == "1"


@on_linux
def test_a_normal_stop_leaves_nothing_behind(data_dir):
    with running(data_dir) as engine:
        sockets = Path(engine.dsn.split("host=")[1].split("&")[0])
        assert processes(data_dir / "postgres")
    assert not is_alive(engine.pid)
    assert not processes(data_dir / "postgres")
    assert not sockets.exists()
    assert not (data_dir / "postgres" / "postmaster.pid").exists()
    assert {file.name for file in data_dir.iterdir()} == {"engine.lock", "log", "postgres"}


@on_linux
def test_a_fault_in_the_service_stops_it_too(data_dir):
    with pytest.raises(ZeroDivisionError), running(data_dir) as engine:
        1 / 0  # noqa: B018
    assert not is_alive(engine.pid)


@on_linux
def test_ctrl_c_reaches_the_service_and_not_its_server(data_dir):
    with running(data_dir) as engine:
        assert os.getsid(engine.pid) == engine.pid != os.getsid(0)


@on_linux
def test_the_server_does_not_inherit_the_secrets_of_the_service(data_dir, monkeypatch):
    monkeypatch.setenv("PREFSVC_PEPPER", "secret")
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=64kB")
    with running(data_dir) as engine:
        environment = Path(f"/proc/{engine.pid}/environ").read_text()
    assert "PREFSVC" not in environment
    assert "PGOPTIONS" not in environment


def test_the_modes_of_folders_that_were_there_stay(area, template):
    (area / "above").mkdir(mode=0o750)
    (area / "above").chmod(0o751)
    subprocess.run(["cp", "-a", template, area / "above" / "data"], check=True)
    folders = (area, area / "above", area / "above" / "data")
    before = [stat.S_IMODE(folder.stat().st_mode) for folder in folders]
    with running(area / "above" / "data"):
        pass
    after = [stat.S_IMODE(folder.stat().st_mode) for folder in folders]
    assert after == before


def test_parameters_are_taken_unless_they_endanger_opt_outs(data_dir):
    asked = {"work_mem": "7MB", "FSYNC": "off", "synchronous_commit": "off", "log_statement": "all"}
    with running(data_dir, parameters=asked) as engine:
        settings = [psql(engine.dsn, f"show {name}") for name in asked]
    assert settings == ["7MB", "on", "on", "none"]


def test_no_file_in_the_cluster_overrides_the_parameters(data_dir):
    (data_dir / "postgres" / "postgresql.auto.conf").write_text("fsync = off\nport = 5433\n")
    with running(data_dir) as engine:
        assert psql(engine.dsn, "show fsync") == "on"


def test_a_second_service_on_the_same_directory_is_refused(data_dir):
    with service(data_dir) as (first, said):
        with pytest.raises(EngineInUse, match=f"process {first.pid}"), running(data_dir):
            pass
        with service(data_dir) as (_, refused):
            assert refused["refused"] == "EngineInUse"
        assert psql(said["dsn"], "select 1") == "1"


def test_of_many_started_at_once_on_nothing_one_serves(area):
    started = [start(area / "data") for _ in range(4)]
    said = [json.loads(process.stdout.readline()) for process in started]
    assert sorted(one.get("refused", "") for one in said) == ["", *["EngineInUse"] * 3]
    for process in started:
        process.communicate(timeout=20)


@on_linux
def test_half_an_initdb_is_never_used(area):
    process = start(area / "data")
    cluster = area / "data" / "postgres"
    until(lambda: any(area.glob("data/postgres.making-*/PG_VERSION")) or cluster.exists())
    kill(process.pid)
    process.communicate()
    assert not cluster.exists()
    with running(area / "data") as engine:
        assert psql(engine.dsn, "select count(*) > 400 from pg_class") == "t"
    assert not list(area.glob("data/postgres.making-*"))


def test_an_initdb_that_fails_is_reported_and_leaves_nothing(area, fake_bindir):
    bindir = fake_bindir("18.6", initdb="echo no space >&2; exit 1")
    with pytest.raises(ClusterNotMade, match="no space"), running(area / "data", bindir=bindir):
        pass
    assert not list(area.glob("data/postgres*"))


def test_something_else_in_the_place_of_the_cluster_is_left_alone(area):
    (area / "data" / "postgres").mkdir(parents=True)
    (area / "data" / "postgres" / "thesis.txt").write_text("do not delete")
    with pytest.raises(DataDirectoryUnusable, match="not a PostgreSQL"), running(area / "data"):
        pass
    assert (area / "data" / "postgres" / "thesis.txt").read_text() == "do not delete"


def test_a_data_directory_that_is_a_file_is_refused(area):
    (area / "data").write_text("")
    with pytest.raises(DataDirectoryUnusable, match="cannot be used"), running(area / "data"):
        pass


def test_a_server_that_will_not_start_shows_its_log(data_dir):
    with (
        pytest.raises(EngineNotStarted, match="no_such_parameter"),
        running(data_dir, parameters={"no_such_parameter": "1"}),
    ):
        pass


@on_linux
def test_a_server_that_is_not_ready_in_time_is_stopped(data_dir):
    with (
        pytest.raises(EngineNotStarted, match="not ready after 0 s"),
        running(data_dir, start_timeout_seconds=0),
    ):
        pass
    assert not processes(data_dir / "postgres")


def test_every_refusal_tells_what_to_do():
    kinds = [kind for kind in Refusal.__subclasses__() if kind.__name__ == "EngineRefusal"]
    sentences = [str(refusal()) for kind in kinds for refusal in kind.__subclasses__()]
    assert sentences
    assert all(";" in sentence for sentence in sentences)
