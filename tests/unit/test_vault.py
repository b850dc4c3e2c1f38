import base64
import os
import stat
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag

from prefsvc import links
from prefsvc.errors import SecretMissing, SecretUnreadable
from prefsvc.links import Link
from prefsvc.settings import Settings
from prefsvc.token import Keyring
from prefsvc.vault import SECRET_BYTES, make_secrets, open_vault, write_secret
from tests.sms.telnyx_client import ANOTHER_KEY, KEY, public


def secret(size, octet=7):
    return base64.b64encode(bytes([octet]) * size).decode()


@pytest.fixture
def folder(tmp_path):
    make_secrets(tmp_path)
    return tmp_path


def opened(folder, **given):
    return open_vault(Settings(secrets_dir=folder, **given), make_missing=False)


@pytest.mark.parametrize("name", SECRET_BYTES)
@pytest.mark.parametrize(
    "content",
    ["", ",", "not base64!", "ä", "AAAA", secret(31), secret(33), secret(65), "\x00" * 44],
    ids=["empty", "comma", "not base64", "not ASCII", "short", "31", "33", "65", "NUL"],
)
def test_a_secret_of_the_wrong_kind_or_length_is_refused_and_not_shown(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(SecretUnreadable, match=name) as refused:
        opened(folder)
    assert not content or len(content) < 3 or content not in str(refused.value)


@pytest.mark.parametrize("name", SECRET_BYTES)
def test_bytes_that_are_no_text_are_refused(folder, name):
    (folder / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SecretUnreadable, match=name):
        opened(folder)


@pytest.mark.parametrize("name", ["pepper", "sealing_key", "ledger_key"])
def test_only_link_keys_may_be_several(folder, name):
    one = secret(SECRET_BYTES[name])
    (folder / name).write_text(f"{one}\n{one}\n")
    with pytest.raises(SecretUnreadable, match=name):
        opened(folder)


@pytest.mark.parametrize("name", SECRET_BYTES)
def test_a_missing_secret_is_named_with_the_ways_to_give_it(folder, name):
    (folder / name).unlink()
    with pytest.raises(SecretMissing, match=f"PREFSVC_{name.upper()}.*prefsvc secrets make"):
        opened(folder)


@pytest.mark.parametrize("name", SECRET_BYTES)
def test_a_setting_counts_more_than_a_file(folder, name):
    before = opened(folder)
    after = opened(folder, **{name: secret(SECRET_BYTES[name])})
    fields = {
        "pepper": ("pepper", "pepper_fingerprint"),
        "token_keys": ("token_masters",),
        "sealing_key": ("sealing_key",),
        "ledger_key": ("seal_key", "nonce_key", "ledger_fingerprint"),
    }
    for owner, names in fields.items():
        for field in names:
            changed = getattr(before, field) != getattr(after, field)
            assert changed == (owner == name), field


def test_settings_alone_suffice_and_nothing_is_written(tmp_path):
    given = {name: secret(size) for name, size in SECRET_BYTES.items()}
    vault = opened(tmp_path / "none", **given)
    assert vault.pepper == bytes([7]) * 32
    assert not (tmp_path / "none").exists()


def test_a_folder_that_is_there_is_completed_and_otherwise_kept(tmp_path):
    (tmp_path / "pepper").write_text(secret(32))
    vault = open_vault(Settings(secrets_dir=tmp_path), make_missing=True)
    assert vault.pepper == bytes([7]) * 32
    again = open_vault(Settings(secrets_dir=tmp_path), make_missing=True)
    assert again.token_masters == vault.token_masters
    assert again.ledger_fingerprint == vault.ledger_fingerprint


def test_what_is_made_is_random_and_of_the_right_length(tmp_path):
    for name in ("a", "b"):
        make_secrets(tmp_path / name)
    for name, size in SECRET_BYTES.items():
        one, other = ((tmp_path / at / name).read_text() for at in ("a", "b"))
        assert one != other
        assert len(base64.b64decode(one, validate=False)) == size


def test_links_sealed_under_an_old_key_still_open_after_rotation(folder):
    old = (folder / "token_keys").read_text().strip()
    link = Link("email", "ann@example.org", topic="news")
    token = links.seal(keyring(opened(folder)).key("acme"), link)
    (folder / "token_keys").write_text(f"{secret(32)}\n{old}\n")
    rotated = keyring(opened(folder))
    assert links.seal(rotated.key("acme"), link) != token
    assert [found.link for found in rotated.candidates(token)] == [link]
    assert [found.brand for found in rotated.candidates(token)] == ["acme"]


def test_links_sealed_under_a_key_that_was_taken_away_no_longer_open(folder):
    link = Link("email", "ann@example.org")
    token = links.seal(keyring(opened(folder)).key("acme"), link)
    assert not list(keyring(opened(folder, token_keys=secret(32))).candidates(token))


def keyring(vault):
    return Keyring.for_brands(vault.token_masters, ["acme", "globex"])


def test_link_keys_may_be_separated_by_commas_or_lines(folder):
    one, other = secret(32, 1), secret(32, 2)
    comma = opened(folder, token_keys=f"{one}, {other}")
    (folder / "token_keys").write_text(f"{one}\n{other}\n")
    assert comma.token_masters == opened(folder).token_masters == (b"\1" * 32, b"\2" * 32)


def test_a_secret_is_written_whole_for_its_owner_and_never_over_another(tmp_path):
    before = os.umask(0)
    try:
        assert write_secret(tmp_path / "key", "one")
    finally:
        os.umask(before)
    assert not write_secret(tmp_path / "key", "other")
    assert (tmp_path / "key").read_text() == "one\n"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_a_vault_is_never_printed(folder):
    vault = opened(folder)
    assert vault.pepper.hex() not in repr(vault)
    assert repr(vault.pepper) not in repr(vault)


def test_a_remains_digest_opens_only_beside_its_own_row(folder):
    vault = opened(folder)
    sealed = vault.seal_sha256(b"k" * 16, b"d" * 32)
    assert vault.unseal_sha256(b"k" * 16, sealed) == b"d" * 32
    with pytest.raises(InvalidTag):
        vault.unseal_sha256(b"l" * 16, sealed)


def test_a_webhooks_secret_opens_for_its_own_endpoint_alone(folder):
    vault, endpoint_id = opened(folder), uuid4()
    sealed = vault.seal_secret(endpoint_id, b"s" * 32)
    assert vault.open_secret(endpoint_id, sealed) == b"s" * 32
    for other, altered in ((uuid4(), sealed), (endpoint_id, sealed[:-1] + b"?")):
        with pytest.raises(InvalidTag):
            vault.open_secret(other, altered)


def test_a_twilio_token_may_be_held_to_one_account(folder):
    vault = opened(folder, twilio_auth_tokens="AC1:one, two ,AC2:three")
    assert vault.twilio_tokens_for("AC1") == ["one", "two"]
    assert vault.twilio_tokens_for("AC2") == ["two", "three"]
    assert vault.twilio_tokens_for("") == ["two"]


def test_telnyx_keys_may_be_several_or_none(folder):
    keys = [KEY, ANOTHER_KEY]
    vault = opened(folder, telnyx_public_keys=" , ".join(public(key) for key in keys))
    assert vault.telnyx_keys == tuple(key.public_key() for key in keys)
    assert opened(folder).telnyx_keys == ()


@pytest.mark.parametrize("key", ["AAAA", "not base64!", "ä", secret(31), secret(33), secret(32, 0)])
def test_a_telnyx_key_that_is_none_or_a_placeholder_stops_the_start(folder, key):
    with pytest.raises(SecretUnreadable, match="PREFSVC_TELNYX_PUBLIC_KEYS") as refused:
        opened(folder, telnyx_public_keys=f"{public(KEY)},{key}")
    assert key not in str(refused.value)


def test_a_sources_secret_comes_from_the_setting_or_else_from_the_file(folder):
    (folder / "mail_event_secrets").write_text("a:one\nb:user:pass\na:two\n")
    read = opened(folder)
    assert read.mail_event_secrets_for("a") == ["one", "two"]
    assert read.mail_event_secrets_for("b") == ["user:pass"]
    assert read.mail_event_secrets_for("c") == []
    assert opened(folder, mail_event_secrets="c:three").mail_event_secrets == (("c", "three"),)


@pytest.mark.parametrize("entry", ["s3cret", ":s3cret", "a:"])
def test_a_secret_of_no_source_stops_the_start_and_is_not_shown(folder, entry):
    with pytest.raises(SecretUnreadable, match="PREFSVC_MAIL_EVENT_SECRETS") as refused:
        opened(folder, mail_event_secrets=f"b:other,{entry}")
    assert "s3cret" not in str(refused.value)


def test_a_mailboxs_password_comes_from_the_setting_or_else_from_a_line_of_the_file(folder):
    (folder / "mailbox_passwords").write_text("a:one, two: three\nb:pass wörd\n\n")
    read = opened(folder)
    assert read.mailbox_password("a") == "one, two: three"
    assert read.mailbox_password("b") == "pass wörd"
    assert read.mailbox_password("c") is None
    assert opened(folder, mailbox_passwords="c:three,d:four").mailbox_password("d") == "four"
    assert "three" not in repr(read)


@pytest.mark.parametrize("entry", ["s3cret", ":s3cret", "a:"])
def test_a_password_of_no_mailbox_stops_the_start_and_is_not_shown(folder, entry):
    with pytest.raises(SecretUnreadable, match="PREFSVC_MAILBOX_PASSWORDS") as refused:
        opened(folder, mailbox_passwords=f"b:other,{entry}")
    assert "s3cret" not in str(refused.value)
