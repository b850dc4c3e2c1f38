import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from prefsvc.engine import running
from tests.engine.helpers import roomy_memory


@contextmanager
def open_folder(base):
    """Make a folder that any account may enter; pytest's own are closed to all but us."""
    folder = Path(tempfile.mkdtemp(prefix="prefsvc-test-", dir=base))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def area():
    with open_folder(roomy_memory()) as folder:
        yield folder


@pytest.fixture
def disk():
    with open_folder(None) as folder:
        yield folder


@pytest.fixture(scope="session")
def template():
    with open_folder(roomy_memory()) as folder:
        with running(folder / "data"):
            pass
        yield folder / "data"


@pytest.fixture
def data_dir(area, template):
    """A data directory in which a service has run before and stopped in order."""
    subprocess.run(["cp", "-a", str(template), str(area / "data")], check=True)
    return area / "data"


@pytest.fixture
def fake_bindir(area):
    """Make a folder of programs that only claim to be PostgreSQL's."""

    def make(version, *, initdb="exit 1", folder="bin"):
        programs = area / folder
        programs.mkdir(parents=True)
        for name, script in (
            ("postgres", f"echo 'postgres (PostgreSQL) {version}'"),
            ("initdb", initdb),
        ):
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        return programs

    return make
