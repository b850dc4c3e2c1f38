import asyncio
import os

import pytest

from prefsvc.examples import examples
from tests.cli.unreachable import UNREACHABLE
from tests.mail_events.providers import SENDGRID_PUBLIC
from tests.sms.telnyx_client import KEY, public
from tests.support import dovecot, scratch_database
from tests.support.cast import ACME, ACMES_PROFILE
from tests.support.scratch_database import named
from tests.unit.test_brand_mailboxes import mailbox


@pytest.fixture
def lines(prefsvc, brands):
    """Ask the doctor; return the code and what is well and wrong."""

    def ask(**settings):
        ran = prefsvc("doctor", **settings)
        assert ran.err == ""
        said = ran.out.splitlines()
        well = [line.removeprefix("ok     ") for line in said if line.startswith("ok     ")]
        wrong = [line.removeprefix("WRONG  ") for line in said if line.startswith("WRONG  ")]
        assert len(said) == len(well) + len(wrong)
        return ran.code, well, wrong

    return ask


@pytest.fixture
def first_key(prefsvc):
    assert prefsvc("keys", "create").code == 0


def sql(dsn, statement):
    asyncio.run(scratch_database._execute(dsn, statement))


def test_an_installation_that_is_well_is_called_well(lines, first_key):
    code, well, wrong = lines(twilio_auth_tokens="0123456789abcdef0123456789abcdef")
    assert (code, wrong) == (0, [])
    assert "the secrets can be read" in well
    assert "the schema is current" in well
    assert "5 brands are applied" in well


def test_the_trial_token_alone_is_mentioned(lines, first_key):
    code, well, _ = lines()
    assert code == 0
    assert any("Twilio's own texts are refused" in line for line in well)


def test_tokens_that_are_all_without_their_account_are_mentioned(lines, first_key):
    token, account = "0123456789abcdef" * 2, "AC" + "0123456789abcdef" * 2

    def is_mentioned(tokens):
        code, well, wrong = lines(twilio_auth_tokens=tokens)
        assert (code, wrong) == (0, [])
        return any("a START within 30 s of a STOP lifts nothing" in line for line in well)

    assert is_mentioned(token)
    assert is_mentioned(f"{token},{token}")
    assert not is_mentioned(f"{account}:{token}")
    assert not is_mentioned(f"{token},{account}:{token}")


def test_twilio_numbers_without_any_token_are_wrong(lines, first_key, secrets):
    token = secrets / "twilio_auth_token"
    aside = token.rename(secrets / "aside")
    try:
        code, _, wrong = lines()
    finally:
        aside.rename(token)
    assert code == 1
    assert any("set PREFSVC_TWILIO_AUTH_TOKENS" in line for line in wrong)


def test_without_twilio_a_key_of_telnyx_is_enough(lines, first_key, secrets):
    token = secrets / "twilio_auth_token"
    aside = token.rename(secrets / "aside")
    try:
        code, well, wrong = lines(telnyx_public_keys=public(KEY))
    finally:
        aside.rename(token)
    assert (code, wrong) == (0, [])
    assert "0 Telnyx profiles, 1 Telnyx keys" in well


@pytest.fixture
def with_profile(prefsvc, tmp_path):
    """A brand with a messaging profile of Telnyx, which is taken away afterwards."""

    def apply(text):
        file = tmp_path / "acme.toml"
        file.write_text(text, "utf-8")
        assert prefsvc("brands", "apply", file).code == 0

    apply(ACME)
    yield
    apply(ACME.replace(f'  "{ACMES_PROFILE}",\n', ""))


def test_telnyx_profiles_without_any_key_are_wrong(lines, first_key, with_profile):
    code, _, wrong = lines()
    assert (code, len(wrong)) == (1, 1)
    assert wrong[0].startswith("1 Telnyx profiles, 0 Telnyx keys: ")
    assert "set PREFSVC_TELNYX_PUBLIC_KEYS" in wrong[0]
    assert lines(telnyx_public_keys=public(KEY))[2] == []


@pytest.mark.parametrize("name", ["pepper", "twilio_auth_token"])
def test_secrets_that_others_can_read_are_found(lines, first_key, secrets, name):
    (secrets / name).chmod(0o640)
    try:
        code, _, wrong = lines()
    finally:
        (secrets / name).chmod(0o600)
    assert code == 1
    assert wrong == [f"the secret {name} can be read by others: chmod 600 '{secrets / name}'"]


def test_a_missing_secret_is_named(lines, tmp_path):
    code, _, wrong = lines(secrets_dir=tmp_path)
    assert code == 1
    assert any("The secret pepper is missing" in line for line in wrong)


def test_the_secrets_of_another_installation_are_refused(lines, prefsvc, tmp_path):
    prefsvc("secrets", "make", "--folder", tmp_path)
    code, _, wrong = lines(secrets_dir=tmp_path)
    assert code == 1
    assert any("keyed with another pepper" in line for line in wrong)


@pytest.mark.parametrize("url", UNREACHABLE)
def test_a_database_out_of_reach_is_told(lines, server_url, url):
    code, _, wrong = lines(database_url=url(server_url))
    assert code == 1
    assert any("The database cannot be reached" in line for line in wrong)
    assert not any("s3cret" in line for line in wrong)


def test_an_insecure_public_address_is_wrong_unless_it_is_this_machine(lines, first_key):
    assert lines(public_url="", host="127.0.0.1")[0] == 0
    assert lines(public_url="", host="::1")[0] == 0
    code, _, wrong = lines(public_url="http://stop.example.com", host="0.0.0.0")
    assert code == 1
    assert any("set PREFSVC_PUBLIC_URL" in line for line in wrong)


def test_a_schema_from_the_future_is_told_and_no_command_works_on_it(lines, prefsvc, dsn):
    sql(dsn, "insert into prefsvc.schema_migration values (9999, 'later', '', now())")
    try:
        code, _, wrong = lines()
        refused = prefsvc("keys", "list")
    finally:
        sql(dsn, "delete from prefsvc.schema_migration where version = 9999")
    assert code == refused.code == 1
    assert "newer" in refused.err
    assert any(line.startswith("the schema is ahead: ") for line in wrong)


def test_an_empty_database_is_behind_and_stays_empty(lines, server_url):
    name = f"prefsvc_empty_{os.getpid()}"
    sql(server_url, f"create database {name} template template0 encoding 'UTF8'")
    try:
        first = lines(database_url=named(server_url, name))
        again = lines(database_url=named(server_url, name))
    finally:
        sql(server_url, f"drop database {name} with (force)")
    assert first[0] == 1
    assert any(line.startswith("the schema is behind: run `prefsvc serve`") for line in first[2])
    assert again == first


def test_an_installation_without_brands_or_keys_is_told_what_to_do(lines, server_url):
    with scratch_database.database(server_url, f"prefsvc_bare_{os.getpid()}") as bare:
        code, _, wrong = lines(database_url=bare)
    assert code == 1
    assert wrong == [
        "0 brands are applied: run `prefsvc brands apply FOLDER`",
        "0 API keys work: run `prefsvc senders add`",
    ]


SOURCES = """
[[mail_events]]
name = "sendgrid-main"
provider = "sendgrid"
[[mail_events]]
name = "postmark-main"
provider = "postmark"
[[mail_events]]
name = "ses-main"
provider = "ses"
sns_topic = "arn:aws:sns:us-east-1:123456789012:events"
"""


def test_sources_of_mail_events_without_a_usable_secret_are_wrong(
    lines, first_key, prefsvc, brand_files
):
    file = brand_files / "ducallier.toml"
    file.write_text(file.read_text() + SOURCES)
    assert prefsvc("brands", "apply", file).code == 0
    try:
        _, _, unset = lines()
        given = f"postmark-main:user:password,sendgrid-main:{SENDGRID_PUBLIC}"
        well, good, wrong = lines(mail_event_secrets=given)
        _, _, unusable = lines(mail_event_secrets="postmark-main:user:,sendgrid-main:none")
    finally:
        prefsvc("brands", "apply", examples())
    named = [[line.split(" at ")[1].split(":")[0] for line in found] for found in (unset, unusable)]
    assert named == [["postmark-main", "sendgrid-main"]] * 2
    assert (well, wrong) == (0, [])
    assert any("ses-main, for its SNS topic" in line for line in good)


@dovecot.needed
def test_mailboxes_that_cannot_be_read_are_wrong(lines, first_key, prefsvc, brand_files):
    with dovecot.serving() as server:
        box = {"security": "none", "user": server.new_user()}
        here = f"127.0.0.1:{server.port}"
        nowhere = f"127.0.0.1:{dovecot.free_port()}"
        boxes = {
            "well": box | {"server": here},
            "full": box | {"server": here, "folder": "Full"},
            "nowhere": box | {"server": nowhere},
            "folderless": box | {"server": here, "folder": "None"},
            "untrusted": box
            | {"server": f"127.0.0.1:{server.tls_port}", "security": "tls", "folder": "X"},
            "wrong": box | {"server": here, "folder": "Y"},
            "unset": box | {"server": here, "folder": "Z"},
        }
        with server.client(box["user"]) as owner:
            owner.create_folder("Full")
            owner.append("Full", b"Subject: x\r\n\r\nx\r\n", [r"\Flagged", "PrefsvcSetAside"])
        file = brand_files / "ducallier.toml"
        file.write_text(file.read_text() + "".join(mailbox(name=k, **v) for k, v in boxes.items()))
        assert prefsvc("brands", "apply", file).code == 0
        passwords = dict.fromkeys(boxes, dovecot.PASSWORD)
        passwords["wrong"] = "s3cret-canary"
        del passwords["unset"]
        given = ",".join(f"{name}:{password}" for name, password in passwords.items())
        try:
            code, good, wrong = lines(mailbox_passwords=given)
            unpulled = lines(mailboxes_pulled="false")
        finally:
            prefsvc("brands", "apply", examples())
    assert code == 1
    said = sorted(line.removeprefix("mail is pulled from the mailbox ") for line in wrong)
    assert [line.split(":")[0].split(",")[0] for line in said] == sorted(boxes.keys() - {"well"})
    for words in (
        "folderless: the account has no folder None",
        "full, 1 mails are set aside: read them",
        "nowhere: check server and security",
        "unset: give PREFSVC_MAILBOX_PASSWORDS its password, as unset:PASSWORD",
        "untrusted: its certificate is not trusted; PREFSVC_MAILBOX_CA_FILE",
        "wrong: check user, and its password in PREFSVC_MAILBOX_PASSWORDS",
    ):
        assert any(line.startswith(words) for line in said), said
    assert "mail is pulled from the mailbox well, 0 mails are set aside" in good
    assert unpulled[0] == 0
