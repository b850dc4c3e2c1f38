"""`prefsvc doctor`: what is wrong with an installation, and how to mend it."""

import asyncio
import stat
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass

from typing_extensions import override

from prefsvc import app, brands, installation
from prefsvc.brand.kinds import is_telnyx_profile
from prefsvc.brands import BrandBook
from prefsvc.cli import mailboxes
from prefsvc.cli.context import Commands, dsn_of
from prefsvc.cli.spool import standing
from prefsvc.consents import backlog
from prefsvc.consents.backlog import AccountBacklog
from prefsvc.db import queries
from prefsvc.db.away import AWAY
from prefsvc.db.connection import Database, PlainConnection
from prefsvc.db.migrate import status
from prefsvc.errors import Refusal, SpoolUnusable
from prefsvc.mail_events.proof import usable
from prefsvc.processes.welcome import FIRST_KEY_FILE
from prefsvc.settings import Settings
from prefsvc.vault import (
    DEMO_TWILIO_FILE,
    MAIL_EVENTS_FILE,
    MAILBOXES_FILE,
    SECRET_BYTES,
    Vault,
    open_vault,
)

CLOCK_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, and if it is not well, what to do."""

    text: str
    mend: str = ""

    @property
    def is_well(self) -> bool:
        """Say whether nothing need be done."""
        return not self.mend

    @override
    def __str__(self) -> str:
        return f"WRONG  {self.text}: {self.mend}" if self.mend else f"ok     {self.text}"


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("doctor", help="say what is wrong here and how to mend it")
    parser.set_defaults(run=_doctor)


def _doctor(settings: Settings, _: Namespace) -> int:
    findings = [*_here(settings), *_there(settings)]
    for finding in findings:
        print(finding)
    return 0 if all(finding.is_well for finding in findings) else 1


def _here(settings: Settings) -> Iterator[Finding]:
    """Look at settings and files."""
    yield Finding(
        f"links point to {settings.origin}",
        mend=""
        if settings.is_local or settings.origin.startswith("https://")
        else "set PREFSVC_PUBLIC_URL to the https:// address that the world uses",
    )
    for name in (
        *SECRET_BYTES,
        DEMO_TWILIO_FILE,
        MAIL_EVENTS_FILE,
        MAILBOXES_FILE,
        FIRST_KEY_FILE,
    ):
        path = settings.secrets_folder / name
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding(f"the secret {name} can be read by others", mend=f"chmod 600 '{path}'")
    yield from _spool(settings)


def _spool(settings: Settings) -> Iterator[Finding]:
    """Look at what the database could not take yet."""
    try:
        kept = standing(settings)
    except SpoolUnusable as refusal:
        yield Finding("the spool cannot be used", mend=str(refusal))
        return
    yield Finding(
        f"{kept.waiting} opt-outs wait in the spool",
        mend="run the service, or `prefsvc spool replay`" if kept.waiting else "",
    )
    if kept.set_aside:
        yield Finding(
            f"{kept.set_aside} opt-outs in the spool were not taken",
            mend="`prefsvc spool list` says why; then `prefsvc spool replay --set-aside`",
        )


def _there(settings: Settings) -> Iterator[Finding]:
    """Look at the secrets, the database and what is in it."""
    try:
        vault = open_vault(settings, make_missing=False)
        yield Finding("the secrets can be read")
        with dsn_of(settings) as dsn:
            yield from asyncio.run(_database(settings, vault, dsn))
    except Refusal as refusal:
        yield Finding("not as it should be", mend=str(refusal))
    except AWAY as error:
        yield Finding(
            f"the database went away ({type(error).__name__})", mend="look at its log, try again"
        )


async def _database(settings: Settings, vault: Vault, dsn: str) -> list[Finding]:
    async with app.reached(settings, dsn) as conn:
        findings = await _server(conn)
        if settings.database_url is None:
            # No secret is in it: the system itself says who may use this socket.
            findings.append(Finding(f"while the service runs: psql '{dsn}'"))
        schema = await status(conn)
    if schema.state != "current":
        how = (
            "run `prefsvc serve`, which migrates it" if schema.state == "behind" else schema.detail
        )
        return [*findings, Finding(f"the schema is {schema.state}", mend=how)]
    async with app.database(settings, dsn) as db:
        return [*findings, Finding("the schema is current"), *await _register(settings, vault, db)]


async def _server(conn: PlainConnection) -> list[Finding]:
    version = await conn.fetchval("show server_version")
    off = [
        name
        for name in ("fsync", "synchronous_commit", "full_page_writes")
        if await conn.fetchval("select current_setting($1)", name) == "off"
    ]
    lossy = [
        Finding(f"{name} is off", mend="a crash would lose opt-outs; turn it on") for name in off
    ]
    return [Finding(f"PostgreSQL {version} answers"), *lossy]


async def _register(settings: Settings, vault: Vault, db: Database) -> list[Finding]:
    async with db.transaction() as tx:
        known = await installation.recognise(tx, vault)
    async with db.read() as tx:
        skew = abs((await tx.conn.fetchval("select now()") - tx.now).total_seconds())
        book = await brands.load(tx, vault.token_masters)
        told = [
            _told(one, has_token=bool(vault.twilio_credentials(one.account.name)))
            for one in await backlog.accounts(tx, settings, book)
        ]
        keys = sum(key.revoked_at is None for key in await queries.api_keys(tx.conn))
    return [
        Finding(f"the secrets are those of this installation ({known.installation_id})"),
        Finding(
            f"this clock and the database's differ by {skew:.1f} s",
            mend="set both by NTP" if skew > CLOCK_SECONDS_MAX else "",
        ),
        Finding(
            f"{len(book.by_slug)} brands are applied",
            mend="" if book.by_slug else "run `prefsvc brands apply FOLDER`",
        ),
        Finding(f"{keys} API keys work", mend="" if keys else "run `prefsvc senders add`"),
        _twilio(settings, vault, book),
        *told,
        _telnyx(vault, book),
        *_mail_events(vault, book),
        _receipts(settings, book),
        *(Finding(*one) for one in await mailboxes.look_into(settings, vault, book)),
    ]


def _told(one: AccountBacklog, *, has_token: bool) -> Finding:
    account = one.account
    waiting = one.fresh.count + one.backfill.count
    text = f"Twilio's account {account.name}: {waiting} to be told, {one.failed_count} failed"
    if not has_token:
        return Finding(text, mend=f"add {account.name}:TOKEN to PREFSVC_TWILIO_AUTH_TOKENS")
    if account.failing_since:
        since = f"since {account.failing_since:%Y-%m-%d %H:%M} UTC: {account.failing_how}"
        return Finding(f"{text}, no request is answered {since}", mend="see docs/twilio.md")
    mend = "`prefsvc twilio status` says why; then `prefsvc twilio retry`"
    return Finding(text, mend=mend if one.failed_count else "")


def _twilio(settings: Settings, vault: Vault, book: BrandBook) -> Finding:
    numbers = len(book.by_number) + len(book.by_service)
    text = f"{numbers} numbers and messaging services, {len(vault.twilio_tokens)} Twilio tokens"
    if settings.twilio_auth_tokens or vault.telnyx_keys or not numbers:
        return Finding(text + _order_unknown(settings, vault))
    if vault.twilio_tokens:
        return Finding(f"{text}, of which only the one for trials: Twilio's own texts are refused")
    return Finding(text, mend="set PREFSVC_TWILIO_AUTH_TOKENS, or every STOP is refused")


def _order_unknown(settings: Settings, vault: Vault) -> str:
    """Say so where no token is held to an account, as which Twilio could be asked (RULES S-20)."""
    if not vault.twilio_tokens or any(account for account, _ in vault.twilio_tokens):
        return ""
    return (
        ", none with its ACCOUNT_SID: Twilio cannot be asked which of a STOP and a START was sent "
        f"last, so a START within {settings.text_order_seconds:.0f} s of a STOP lifts nothing; "
        "write ACCOUNT_SID:token"
    )


def _telnyx(vault: Vault, book: BrandBook) -> Finding:
    profiles = sum(map(is_telnyx_profile, book.by_service))
    text = f"{profiles} Telnyx profiles, {len(vault.telnyx_keys)} Telnyx keys"
    if profiles and not vault.telnyx_keys:
        return Finding(text, mend="set PREFSVC_TELNYX_PUBLIC_KEYS, or every STOP there is refused")
    return Finding(text)


def _receipts(settings: Settings, book: BrandBook) -> Finding:
    """Say whether those who opt out by mail are told that it was heard."""
    count = sum(
        one.retired_at is None and one.brand.mail.has_receipts for one in book.by_slug.values()
    )
    off = "" if settings.has_mail_server or not count else ", none: PREFSVC_SMTP_HOST is not set"
    return Finding(f"{count} brands send receipts to who opts out by mail{off}")


def _mail_events(vault: Vault, book: BrandBook) -> Iterator[Finding]:
    """Look for sources of mail events that nothing can prove."""
    for name, (brand, source) in sorted(book.by_mail_source.items()):
        if brand.retired_at:
            continue
        text = f"{source.provider} tells of mail events at {name}"
        if source.provider == "ses":
            yield Finding(f"{text}, for its SNS topic")
            continue
        given = vault.mail_event_secrets_for(name)
        can_prove = len(usable(source.provider, given)) == len(given) > 0
        yield Finding(
            text,
            mend=""
            if can_prove
            else f"give PREFSVC_MAIL_EVENT_SECRETS a sound secret of {name}; until then its "
            "unsubscribes are answered 503",
        )
