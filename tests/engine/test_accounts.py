import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from prefsvc.engine import account, connected, directory, running
from prefsvc.engine.account import Account
from prefsvc.errors import AccountUnknown, ClusterMissing, DataDirectoryUnusable, EngineInUse
from tests.engine.helpers import BINDIR, DAEMON, NOBODY, as_root, psql, run, service

STRANGER = Account("nobody at all", 54321, 54321)


@pytest.fixture
def bindir():
    """Programs that anybody may run, for a Python that has no wheel."""
    for folder in (BINDIR, *Path("/usr/lib/postgresql").glob("1[4-8]/bin")):
        try:
            run([folder / "postgres", "--version"], account=NOBODY)
        except (OSError, subprocess.CalledProcessError):
            continue
        return folder
    pytest.skip("no PostgreSQL here that other accounts may run")


@pytest.fixture
def others(area):
    """A folder that belongs to another account."""
    (area / "theirs").mkdir()
    os.chown(area / "theirs", NOBODY.uid, NOBODY.gid)
    return area / "theirs"


def uid_of(pid):
    return Path(f"/proc/{pid}").stat().st_uid


@as_root
def test_root_has_an_unprivileged_account_run_it(data_dir):
    with running(data_dir) as engine:
        assert pwd.getpwuid(uid_of(engine.pid)).pw_name in {"prefsvc", "postgres", "nobody"}
        assert (data_dir / "postgres").stat().st_uid == uid_of(engine.pid)


@as_root
def test_none_of_roots_groups_are_left_to_the_server(data_dir):
    before = os.getgroups()
    os.setgroups([4, 6])
    try:
        with running(data_dir) as engine:
            status = Path(f"/proc/{engine.pid}/status").read_text()
    finally:
        os.setgroups(before)
    assert status.split("Groups:")[1].split("\n")[0].strip() == ""


@as_root
def test_the_accounts_are_tried_in_order(area, monkeypatch):
    monkeypatch.setattr(account, "_UNPRIVILEGED", ("no-such-account", "nobody", "daemon"))
    assert account.making_cluster(area) == Account("nobody", NOBODY.uid, NOBODY.gid)
    monkeypatch.setattr(account, "_UNPRIVILEGED", ("no-such-account",))
    with pytest.raises(AccountUnknown, match="useradd --system prefsvc"):
        account.making_cluster(area)


@as_root
def test_it_runs_as_any_other_account_and_root_may_connect_too(others, bindir):
    with service(others / "data", account=NOBODY, bindir=bindir) as (_, said):
        assert uid_of(said["pid"]) == NOBODY.uid
        assert psql(said["dsn"], "select current_user", account=NOBODY) == "prefsvc"
        assert psql(said["dsn"], "select current_user") == "prefsvc"
    assert stat.S_IMODE((others / "data").stat().st_mode) == 0o700


@as_root
def test_no_other_account_may_connect(data_dir):
    with running(data_dir) as engine:
        sockets = Path(engine.dsn.split("host=")[1].split("&")[0])
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        with pytest.raises(subprocess.CalledProcessError):
            psql(engine.dsn, "select 1", account=DAEMON)
        # Even with the door open, the server asks who comes.
        sockets.chmod(0o755)
        (sockets / ".s.PGSQL.5432").chmod(0o777)
        with pytest.raises(subprocess.CalledProcessError) as refused:
            psql(engine.dsn, "select 1", account=DAEMON)
        assert "Peer authentication failed" in refused.value.stderr
        with pytest.raises(subprocess.CalledProcessError):
            psql(engine.dsn.replace("prefsvc@", "postgres@"), "select 1")


@as_root
def test_root_uses_a_services_cluster_without_spoiling_it(others, bindir):
    data = others / "data"
    with service(data, account=NOBODY, bindir=bindir) as (_, said):
        psql(said["dsn"], "create table kept as select 42 as answer")
    with connected(data, bindir=bindir) as dsn:
        assert psql(dsn, "select answer from kept") == "42"
    owners = {f.stat().st_uid for f in (data, *data.iterdir(), *(data / "log").iterdir())}
    assert owners == {NOBODY.uid}
    with service(data, account=NOBODY, bindir=bindir) as (_, said):
        assert psql(said["dsn"], "select answer from kept") == "42"


@as_root
def test_root_makes_the_cluster_for_the_owner_of_the_data_directory(others, bindir):
    with running(others, bindir=bindir) as engine:
        assert uid_of(engine.pid) == NOBODY.uid


@as_root
def test_a_uid_without_a_name_is_told_what_it_lacks(area, bindir):
    area.chmod(0o777)
    with service(area / "data", account=STRANGER, bindir=bindir) as (process, said):
        assert said["refused"] == "AccountUnknown"
        assert "uid 54321 has no entry in /etc/passwd" in said["detail"]
    assert process.returncode == 3


@as_root
def test_a_data_directory_that_we_may_not_write_to_is_refused(area, data_dir, bindir):
    (area / "roots").mkdir()
    for closed in (area / "roots", area / "roots" / "data", data_dir):
        with service(closed, account=NOBODY, bindir=bindir) as (_, said):
            assert said["refused"] == "DataDirectoryUnusable"
            assert "uid 65534 (Permission denied); change its owner" in said["detail"]


@as_root
def test_a_cluster_of_another_account_is_refused(area, data_dir, bindir):
    for path in (data_dir, data_dir / "log", data_dir / "engine.lock"):
        os.chown(path, DAEMON.uid, DAEMON.gid)
    with service(data_dir, account=DAEMON, bindir=bindir) as (_, said):
        assert said["refused"] == "DataDirectoryUnusable"
        assert "belongs to another account" in said["detail"]


@as_root
def test_a_cluster_of_root_is_refused_with_the_command_that_mends_it(data_dir):
    os.chown(data_dir / "postgres", 0, 0)
    with pytest.raises(DataDirectoryUnusable, match="chown -R"), running(data_dir):
        pass


@as_root
def test_a_cluster_whose_folder_was_closed_is_refused(data_dir):
    data_dir.chmod(0o700)
    with pytest.raises(DataDirectoryUnusable, match=f"may not enter {data_dir}"), running(data_dir):
        pass


@pytest.fixture
def closed(area, monkeypatch):
    """A place like a checkout under /root: nobody else may enter it."""
    monkeypatch.setattr(directory, "STATE", area / "state")
    (area / "closed").mkdir(mode=0o700)
    return area / "closed"


def mark_of(data_dir):
    return hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]


@as_root
def test_in_a_closed_folder_root_keeps_the_cluster_elsewhere(closed, area):
    left = area / "state" / "clusters" / f"{mark_of(closed / 'data')}-killed.making-x"
    left.mkdir(parents=True)
    (area / "state").chmod(0o711)
    left.parent.chmod(0o711)
    with running(closed / "data") as engine:
        psql(engine.dsn, "create table kept as select 42 as answer")
    [cluster] = area.glob("state/clusters/*/")
    assert (closed / "data" / "cluster.location").read_text() == f"{cluster}\n"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    with running(closed / "data") as engine:
        assert psql(engine.dsn, "select answer from kept") == "42"

    (closed / "data").rename(closed / "moved")
    with running(closed / "moved") as engine:
        assert psql(engine.dsn, "select answer from kept") == "42"
        shutil.copytree(closed / "moved", closed / "copy")
        with pytest.raises(EngineInUse, match="a copy"), running(closed / "copy"):
            pass
        assert psql(engine.dsn, "select answer from kept") == "42"

    shutil.rmtree(cluster)
    with pytest.raises(ClusterMissing, match="not there"), running(closed / "moved"):
        pass
    assert not list(area.glob("state/clusters/*/"))


@as_root
def test_where_it_cannot_be_kept_elsewhere_either_that_is_said(closed, area):
    (area / "state").mkdir(mode=0o700)
    with pytest.raises(DataDirectoryUnusable, match="cannot be kept elsewhere"):  # noqa: SIM117
        with running(closed / "data"):
            pass
