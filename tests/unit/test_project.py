import os
import re
import shutil
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def make():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    # As from a shell, though the tests may themselves be run by make.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return lambda *words, **options: run("make", *words, env=environment, **options)


def test_make_lists_every_target(make):
    [phony] = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    listed = re.findall(r"^  ([a-z-]+) ", make(cwd=ROOT).stdout, re.MULTILINE)
    assert listed == phony.split()


def test_a_python_that_is_too_old_is_refused_in_a_sentence(tmp_path):
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    old = tmp_path / "old python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    ran = run(
        "sh", str(tmp_path / ".ci" / "bootstrap"), "runtime", env={**os.environ, "PYTHON": str(old)}
    )
    assert ran.returncode == 1
    assert "is not a Python 3.11 or newer" in ran.stderr
    assert not (tmp_path / ".venv").exists()


def test_an_environment_that_is_fresh_is_not_made_again(make, tmp_path):
    folder = tmp_path / "a path with spaces"
    (folder / ".venv").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "uv.lock", ".ci/bootstrap"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv" / ".ready-all").touch()
    assert "up to date" in make(".venv/.ready-all", cwd=folder).stdout
    os.utime(folder / ".venv" / ".ready-all", (0, 0))
    assert "sh .ci/bootstrap all" in make("--dry-run", ".venv/.ready-all", cwd=folder).stdout


@pytest.mark.parametrize("script", [".ci/run", ".ci/bootstrap"])
def test_the_scripts_are_sound_shell(script):
    shell = (ROOT / script).read_text().splitlines()[0].split("/")[-1].split()[-1]
    assert run(shell, "-n", str(ROOT / script)).stderr == ""


def test_uv_is_pinned_once_and_the_same_everywhere():
    [here] = re.findall(
        r"^uv_version=(\S+)$", (ROOT / ".ci" / "bootstrap").read_text(), re.MULTILINE
    )
    [there] = re.findall(r"^ARG UV_VERSION=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert here == there


def test_the_image_and_the_package_say_the_same_version():
    assert f'image.version="{PROJECT["project"]["version"]}"' in DOCKERFILE


def test_all_that_the_wheel_is_built_from_goes_into_the_image():
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], "pyproject.toml", "README.md", "LICENSE"}
    ignored = (ROOT / ".dockerignore").read_text()
    for name in needed:
        assert re.search(rf"^COPY .*\b{re.escape(name)}\b", DOCKERFILE, re.MULTILINE), name
        assert f"!{name}\n" in ignored, name


def test_everything_in_the_wheel_is_there_to_be_shipped():
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {"sql/migrations", "openapi.yaml", "deploy/brands"} <= set(wheel["force-include"])
    assert all((ROOT / source).exists() for source in wheel["force-include"])


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_container_is_confined(name):
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["secrets"]) <= set(COMPOSE["secrets"])


def test_compose_hands_over_no_secret_in_the_environment():
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            assert not re.search(r"PASSWORD|KEY|TOKEN|PEPPER", name) or name.endswith("_FILE")
            assert not re.search(r"//\w+:[^@]+@", str(value))


def test_the_database_is_reached_by_prefsvc_alone():
    assert "ports" not in COMPOSE["services"]["postgres"]
    assert COMPOSE["services"]["postgres"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE["services"]["prefsvc"]["ports"])


def test_the_unit_leaves_postgresql_to_prefsvc_and_discards_the_greeting():
    unit = ConfigParser(strict=False, interpolation=None, comment_prefixes="#")
    unit.optionxform = str
    unit.read(ROOT / "deploy" / "prefsvc.service")
    service = unit["Service"]
    assert (service["KillMode"], service["KillSignal"]) == ("mixed", "SIGTERM")
    assert service["StandardOutput"] == "null"  # the greeting shows a link and a key
    assert service["RestartPreventExitStatus"] == "2"


@pytest.mark.parametrize("ignored", ["", "\n[Service]\nProtectSystem=maybe\n"])
def test_systemd_understands_the_unit(tmp_path, ignored):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = (ROOT / "deploy" / "prefsvc.service").read_text() + ignored
    unit = tmp_path / "prefsvc.service"
    unit.write_text(text.replace("/opt/prefsvc/bin/prefsvc", "/bin/sh"))
    said = run("systemd-analyze", "verify", "--man=no", str(unit))
    assert ("prefsvc.service" in said.stderr) == bool(ignored), said.stderr
