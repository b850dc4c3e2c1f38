import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.running_service import open_folder, serving, until

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
OFFLINE = re.compile(r"(?i)failed to fetch|network|dns error|connect|timed out|no solution found")

pytestmark = pytest.mark.skipif(not UV.exists(), reason="builds with uv, which is not here")


def uv(*words):
    """Run uv; without a package index there is nothing to build or install with."""
    ran = subprocess.run(
        [str(UV), *map(str, words)], check=False, capture_output=True, text=True, cwd="/"
    )
    if ran.returncode and OFFLINE.search(ran.stderr):
        pytest.skip("no package index can be reached")
    assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", ROOT, "--out-dir", folder)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("sql/migrations", "prefsvc/sql/migrations"),
        ("deploy/brands", "prefsvc/examples/brands"),
        ("prefsvc/web/templates", "prefsvc/web/templates"),
        ("prefsvc/web/static", "prefsvc/web/static"),
        ("prefsvc/wording", "prefsvc/wording"),
    ],
)
def test_the_wheel_has_every_file_that_the_service_reads(contents, source, target):
    needed = {file.name for file in (ROOT / source).iterdir() if file.is_file()}
    assert needed
    assert {f"{target}/{name}" for name in needed} <= contents


def test_the_wheel_has_the_document_the_rules_and_the_licence(contents):
    assert {"prefsvc/openapi.yaml", "prefsvc/honour/rules.toml"} <= contents
    assert any(name.endswith("/licenses/LICENSE") for name in contents)


def test_the_wheel_has_all_of_the_code_and_nothing_else(contents):
    tops = {name.split("/")[0] for name in contents}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"prefsvc"}
    assert not [name for name in contents if "test" in name or "__pycache__" in name]
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "prefsvc").rglob("*.py")}
    assert modules <= contents


@pytest.mark.skipif(sys.platform == "win32", reason="no embedded PostgreSQL there")
def test_an_installed_wheel_serves_from_nothing(wheel):
    with open_folder() as folder:
        uv("venv", "--python", sys.executable, folder / "venv")
        uv("pip", "install", "--python", folder / "venv" / "bin" / "python", wheel)
        command = [str(folder / "venv" / "bin" / "prefsvc")]
        with serving(folder, command=command) as service:
            until(service.is_ready)
            assert "first API key" in service.out
            assert service.ask("/docs").status == 200
            assert service.ask("/openapi.json").document["openapi"].startswith("3.1")
            assert b"<form" in service.ask(re.search(r"http\S+/u/\S+", service.out)[0]).body
            assert service.stop() == 0
        installed = folder / "venv"
        assert str(ROOT) not in service.err
        assert not list(installed.rglob("*.egg-link"))
