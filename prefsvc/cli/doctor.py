"""`prefsvc doctor`: what is wrong with an installation, and how to mend it."""

import stat
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from prefsvc import app, brands, installation
from prefsvc.brands import BrandBook
from prefsvc.cli.context import Commands, dsn_of
from prefsvc.db import queries
from prefsvc.db.connection import Database, single
from prefsvc.db.migrate import status
from prefsvc.errors import OtherSecrets, Refusal
from prefsvc.settings import Settings
from prefsvc.vault import SECRET_BYTES, Vault, open_vault
from prefsvc.web.problems import AWAY

CLOCK_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, and if it is not well, what to do."""

    is_well: bool
    text: str


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("doctor", help="say what is wrong here and how to mend it")
    parser.set_defaults(run=_doctor)


def _doctor(settings: Settings, _: Namespace) -> int:
    import asyncio  # noqa: PLC0415

    findings = list(_here(settings))
    try:
        vault = open_vault(settings, make_missing=False)
        findings.append(Finding(True, "the secrets can be read"))
    except Refusal as refusal:
        vault = None
        findings.append(Finding(False, str(refusal)))
    try:
        with dsn_of(settings) as dsn:
            findings += asyncio.run(_collect(settings, vault, dsn))
    except Refusal as refusal:
        findings.append(Finding(False, str(refusal)))
    except AWAY as error:
        findings.append(Finding(False, _unreachable(error)))
    for finding in findings:
        print(f"{'ok   ' if finding.is_well else 'WRONG'}  {finding.text}")
    return 0 if all(finding.is_well for finding in findings) else 1


def _unreachable(error: BaseException) -> str:
    return (
        f"the database cannot be reached ({type(error).__name__}); check PREFSVC_DATABASE_URL, that "
        "the server runs and that it lets this machine in"
    )


def _here(settings: Settings) -> Iterator[Finding]:
    """Look at settings and files."""
    public = settings.public_url.startswith("https://")
    yield Finding(
        public or settings.host in {"127.0.0.1", "::1", "localhost"},
        f"links will point to {settings.origin}"
        + (
            "" if public else "; set PREFSVC_PUBLIC_URL to the https:// address that the world uses"
        ),
    )
    for name in SECRET_BYTES:
        path = settings.secrets_folder / name
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding(False, f"the secret {name} can be read by others; run `chmod 600 {path}`")


async def _collect(settings: Settings, vault: Vault | None, dsn: str) -> list[Finding]:
    return [finding async for finding in _database(settings, vault, dsn)]


async def _database(settings: Settings, vault: Vault | None, dsn: str) -> AsyncIterator[Finding]:
    async with single(dsn, connect_timeout_seconds=settings.connect_timeout_seconds) as conn:
        version = await conn.fetchval("show server_version")
        yield Finding(True, f"PostgreSQL {version} answers")
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            value = await conn.fetchval("select current_setting($1)", name)
            if value == "off":
                yield Finding(
                    False, f"{name} is off: a crash would lose acknowledged opt-outs; turn it on"
                )
        schema = await status(conn)
        yield Finding(schema.state == "current", f"the schema is {schema.state}: {schema.detail}")
    if schema.state != "current" or vault is None:
        return
    async with app.database(settings, dsn) as db:
        async for finding in _register(settings, vault, db):
            yield finding


async def _register(settings: Settings, vault: Vault, db: Database) -> AsyncIterator[Finding]:
    try:
        async with db.transaction() as tx:
            known = await installation.recognise(tx, vault)
        yield Finding(True, f"the secrets are this installation's ({known.installation_id})")
    except OtherSecrets as refusal:
        yield Finding(False, str(refusal))
        return
    async with db.read() as tx:
        skew = abs((await tx.conn.fetchval("select now()") - tx.now).total_seconds())
        yield Finding(
            skew <= CLOCK_SECONDS_MAX,
            f"this clock and the database's differ by {skew:.1f} s"
            + ("" if skew <= CLOCK_SECONDS_MAX else "; set both by NTP"),
        )
        book = await brands.load(tx, vault.token_masters)
        keys = await queries.api_keys(tx.conn)
    working = sum(key.revoked_at is None for key in keys)
    yield Finding(
        bool(book.by_slug),
        f"{len(book.by_slug)} brands are applied"
        + ("" if book.by_slug else "; run `prefsvc brands apply FOLDER`"),
    )
    yield Finding(
        bool(working),
        f"{working} API keys work" + ("" if working else "; run `prefsvc senders add`"),
    )
    yield _twilio(settings, vault, book)


def _twilio(settings: Settings, vault: Vault, book: BrandBook) -> Finding:
    numbers = len(book.by_number) + len(book.by_service)
    if numbers and not settings.twilio_auth_tokens:
        demo = bool(vault.twilio_tokens)
        text = (
            "brands have numbers, but PREFSVC_TWILIO_AUTH_TOKENS is not set: real texts are refused"
        )
        return Finding(
            demo, text + (" (only the trial token in the secrets folder signs)" if demo else "")
        )
    return Finding(
        True, f"{numbers} numbers and messaging services, {len(vault.twilio_tokens)} auth tokens"
    )
