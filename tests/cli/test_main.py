import pytest

from tests.cli.unreachable import UNREACHABLE

COMMANDS = ["serve", "doctor", "brands", "senders", "keys", "links", "ledger", "secrets"]


@pytest.mark.parametrize("url", UNREACHABLE)
@pytest.mark.parametrize("words", [("keys", "list"), ("serve",)])
def test_a_database_out_of_reach_is_a_sentence(prefsvc, server_url, url, words):
    ran = prefsvc(*words, database_url=url(server_url), port=0)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("prefsvc: The database cannot be reached (")
    assert "s3cret" not in ran.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "s3cret"),
        ("port", "70000"),
        ("pool_size", "-7"),
        ("log_level", "s3cret"),
        ("public_url", "s3cret.example.com"),
        ("undo_minutes", "-7"),
        ("shutdown_grace_seconds", "-7.5"),
    ],
)
def test_a_wrong_setting_is_named_and_not_shown(prefsvc, name, value):
    ran = prefsvc("keys", "list", **{name: value})
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"prefsvc: PREFSVC_{name.upper()}: ")
    assert value not in ran.err


def test_all_wrong_settings_are_named_at_once(prefsvc):
    ran = prefsvc("keys", "list", port="x", log_level="y")
    assert [line.split(":")[1] for line in ran.err.splitlines()] == [
        " PREFSVC_PORT",
        " PREFSVC_LOG_LEVEL",
    ]


@pytest.mark.parametrize("content", ["", "AAAA", "ä", "A" * 44 + "\n" + "A" * 44, b"\xff\xfe"])
def test_a_secret_that_is_none_is_a_sentence(prefsvc, tmp_path, content):
    prefsvc("secrets", "make", "--folder", tmp_path)
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "pepper").write_bytes(data)
    ran = prefsvc("keys", "list", secrets_dir=tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("prefsvc: The secret ")
    assert "pepper" in ran.err


def test_missing_secrets_are_not_made_for_a_shared_database(prefsvc, tmp_path):
    ran = prefsvc("keys", "list", secrets_dir=tmp_path / "none")
    assert (ran.code, ran.out) == (1, "")
    assert "run `prefsvc secrets make` once" in ran.err
    assert not (tmp_path / "none").exists()


def test_a_folder_of_brands_without_any_stops_the_start(prefsvc, tmp_path):
    ran = prefsvc("serve", brands_dir=tmp_path / "no", port=0)
    assert (ran.code, ran.out) == (1, "")
    assert "has no *.toml file" in ran.err


def test_help_names_every_command(prefsvc):
    ran = prefsvc("--help")
    assert ran.code == 0
    assert all(f"\n    {command}" in ran.out for command in COMMANDS)


def test_what_a_command_prints_is_its_answer_alone(prefsvc, server_url):
    ran = prefsvc("keys", "list", log_level="debug")
    assert ran.out == "There is no key yet.\n"
