import socket
import stat

import pytest

from prefsvc.engine import sockets
from prefsvc.engine.account import making_cluster
from prefsvc.errors import DataDirectoryUnusable


@pytest.fixture
def account(area):
    return making_cluster(area)


@pytest.fixture
def nowhere(area, monkeypatch):
    """Take away every usual place."""
    monkeypatch.setattr(sockets, "RUN", area / "no" / "run")
    monkeypatch.setattr("tempfile.tempdir", str(area / "no" / "tmp"))
    monkeypatch.setattr(sockets, "_LAST_BASES", ())
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)


def made(account, spare):
    with sockets.folder(account, spare) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == account.uid
        assert not list(folder.iterdir())
    assert not folder.exists()
    return folder.parent


def opened(folder):
    folder.mkdir(parents=True)
    folder.chmod(0o711)
    return folder


@pytest.mark.usefixtures("nowhere")
def test_what_systemd_gives_comes_first(account, area, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{opened(area / 'given')}:{area / 'second'}")
    assert made(account, area) == area / "given"


@pytest.mark.usefixtures("nowhere")
def test_the_data_directory_serves_where_its_path_is_short_and_plain(account, area):
    assert made(account, area) == area


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("name", ["with space", "comma,", "plus+", "ü", "d" * 90])
def test_otherwise_the_folder_for_temporary_files_does(account, area, monkeypatch, name):
    monkeypatch.setattr("tempfile.tempdir", str(opened(area / "tmp")))
    assert made(account, opened(area / name)) == area / "tmp"


@pytest.mark.usefixtures("nowhere")
def test_where_there_is_none_that_is_said(account, area):
    with (
        pytest.raises(DataDirectoryUnusable, match="set TMPDIR"),
        sockets.folder(account, opened(area / "with space")),
    ):
        pass


@pytest.mark.usefixtures("nowhere")
def test_a_file_system_without_sockets_is_passed_over(account, area, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(opened(area / "tmp")))
    real = sockets._takes_sockets
    monkeypatch.setattr(sockets, "_takes_sockets", lambda f: f.parent != area and real(f))
    assert made(account, area) == area / "tmp"
    assert not list(area.glob("prefsvc-*"))


def test_what_else_is_in_the_folder_is_not_removed(account, area):
    with sockets.folder(account, area) as folder:
        (folder / "kept").write_text("")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / ".s.PGSQL.5432"))
    assert [file.name for file in folder.iterdir()] == ["kept"]
    (folder / "kept").unlink()
    folder.rmdir()
