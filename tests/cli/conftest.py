import logging
import os
import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import structlog

from prefsvc.cli.context import with_service
from prefsvc.cli.main import main
from prefsvc.examples import examples
from prefsvc.settings import Settings
from prefsvc.vault import make_secrets
from tests.support import scratch_database

_numbers = count(1)


@pytest.fixture(scope="module")
def dsn(server_url):
    """A migrated database of the module's own, so that other tests' rows are not seen."""
    name = f"prefsvc_cli_{os.getpid()}_{next(_numbers)}"
    with scratch_database.database(server_url, name) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    make_secrets(folder)
    return folder


@dataclass(frozen=True)
class Ran:
    """What a command said, and the code it ended with."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def own_logs():
    """Commands set up logging; give it back, as it writes to a stream of this test."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def prefsvc(capsys, monkeypatch, dsn, secrets, tmp_path):
    """Run a command in this process, as a user would: words in; code, output and errors out."""
    for name in [name for name in os.environ if name.startswith("PREFSVC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFSVC_DATABASE_URL", dsn)
    monkeypatch.setenv("PREFSVC_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("PREFSVC_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("PREFSVC_LOG_LEVEL", "warning")
    monkeypatch.setenv("PREFSVC_PUBLIC_URL", "https://stop.example.com")

    def run(*words, **settings):
        with monkeypatch.context() as changed:
            for name, value in settings.items():
                changed.setenv(f"PREFSVC_{name.upper()}", str(value))
            code = _code_of([str(word) for word in words])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Ran(code, said.out, said.err)

    return run


def _code_of(words):
    try:
        return main(words)
    except SystemExit as ended:  # argparse's own way out
        return ended.code


@pytest.fixture
def work(prefsvc):
    """Do something with the service that the commands work on."""

    def run(piece):
        return with_service(Settings(), piece)

    return run


@pytest.fixture
def brands(prefsvc):
    """The shipped brands, applied."""
    ran = prefsvc("brands", "apply", examples())
    assert (ran.code, ran.err) == (0, "")
    return [file.stem for file in sorted(examples().glob("*.toml"))]


@pytest.fixture
def brand_files(tmp_path) -> Path:
    """A copy of the shipped brand files, to spoil."""
    return Path(shutil.copytree(examples(), tmp_path / "brand files"))
