import ast
import inspect
import re
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr, ValidationError

from prefsvc import settings as module
from prefsvc.settings import Settings, default_data_dir

UNITS = re.compile(
    r"_(bytes_max|seconds|seconds_max|minutes|hours|days|percent|max|size|size_max|bytes_per_second_min)$"
    r"|^((smtp_)?port|pool_size|workers)$"
)
SECRETS = {
    "database_url", "pepper", "token_keys", "sealing_key", "ledger_key", "twilio_auth_tokens",
    "smtp_password", "mail_event_secrets", "mailbox_passwords",
}  # fmt: skip


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """Settings of our own alone."""
    import os  # noqa: PLC0415

    for name in [name for name in os.environ if name.startswith("PREFSVC_")]:
        monkeypatch.delenv(name)


def sentences():
    """Return each setting's docstring, as the reader of settings.py sees it."""
    [tree] = ast.parse(inspect.getsource(Settings)).body
    pairs = zip(tree.body, tree.body[1:], strict=False)
    return {
        node.target.id: after.value.value
        for node, after in pairs
        if isinstance(node, ast.AnnAssign)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is(name):
    sentence = " ".join(sentences().get(name, "").split())
    assert re.fullmatch(r"[A-Z].{10,}\.", sentence)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_number_has_its_unit_in_its_name_and_is_limited(name):
    field = Settings.model_fields[name]
    if isinstance(field.default, (int, float)) and field.annotation is not bool:
        assert UNITS.search(name)
        with pytest.raises(ValidationError, match=name):
            Settings(**{name: -1})


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_secrets_are_never_printed(name):
    given = Settings(**{name: "s3cret"})
    assert "s3cret" not in repr(given)
    assert "s3cret" not in str(given.model_dump())
    annotation = Settings.model_fields[name].annotation
    assert SecretStr in (*get_args(annotation), annotation)


def test_a_wrong_value_is_not_shown():
    with pytest.raises(ValidationError) as refused:
        Settings(port="s3cret", public_url="s3cret", log_level="s3cret")
    assert "s3cret" not in str(refused.value)
    assert refused.value.error_count() == 3


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValidationError, match="colour"):
        Settings(colour="red")


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


def test_they_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("PREFSVC_TWILIO_AUTH_TOKENS", " one, AC1:two ,,")
    monkeypatch.setenv("PREFSVC_TELNYX_PUBLIC_KEYS", " one, two ,,")
    monkeypatch.setenv("PREFSVC_PORT", "0")
    given = Settings()
    assert given.telnyx_public_keys == ("one", "two")
    assert [token.get_secret_value() for token in given.twilio_auth_tokens] == ["one", "AC1:two"]
    assert given.port == 0


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "::1", "port": 1}, "http://[::1]:1"),
        ({"public_url": "https://stop.example.com/"}, "https://stop.example.com"),
        ({"public_url": "https://example.com/stop"}, "https://example.com/stop"),
    ],
)
def test_links_point_to_the_public_address_or_else_to_where_it_listens(given, origin):
    assert Settings(**given).origin == origin


@pytest.mark.parametrize(
    "url", ["stop.example.com", "ftp://stop.example.com", "//stop.example.com"]
)
def test_the_public_address_is_a_web_address(url):
    with pytest.raises(ValidationError, match="https://"):
        Settings(public_url=url)


@pytest.mark.parametrize(
    "url", ["http://accounts.example.com/v1", "ftp://127.0.0.1/", "accounts.example.com", ""]
)
def test_tokens_go_to_twilio_by_https_alone(url):
    with pytest.raises(ValidationError, match="https://"):
        Settings(twilio_consents_url=url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://[::1]/v1", "https://example.com"])
def test_or_to_this_machine(url):
    assert Settings(twilio_consents_url=url).twilio_consents_url == url


def test_root_keeps_its_data_where_services_do_and_others_at_home(monkeypatch, tmp_path):
    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/prefsvc")
    monkeypatch.setattr(module.os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / "prefsvc"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / ".local" / "share" / "prefsvc"


def test_secrets_are_kept_with_the_data_unless_said_otherwise(tmp_path):
    assert Settings(data_dir=tmp_path).secrets_folder == tmp_path / "secrets"
    assert Settings(data_dir=tmp_path, secrets_dir=tmp_path / "s").secrets_folder == tmp_path / "s"


def test_answers_to_retries_are_kept_for_days():
    assert Settings().idempotency_age == timedelta(days=3)


def test_a_signature_is_not_believed_for_longer_than_it_is_remembered():
    assert Settings().mail_event_age < Settings().idempotency_age
    with pytest.raises(ValidationError, match="must be less than idempotency_hours"):
        Settings(mail_event_age_hours_max=72)
