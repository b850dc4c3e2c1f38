"""Ask Twilio when a message that came in was sent, which its webhook does not say (RULES S-01)."""

import asyncio
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
import msgspec
from aiohttp import ClientSession, DummyCookieJar
from yarl import URL

from prefsvc.outward.twilio_consents import Credentials
from prefsvc.settings import Settings
from prefsvc.vault import Vault

_ACCOUNT: Final = re.compile("AC[0-9a-f]{32}")
_MESSAGE: Final = re.compile("(?:SM|MM)[0-9a-f]{32}")
_ANSWER_BYTES_MAX: Final = 64 << 10
_OK: Final = 200
# Whatever the network or the answer is: a TimeoutError is an OSError, too.
_UNKNOWN: Final = (aiohttp.ClientError, msgspec.MsgspecError, OSError, OverflowError, ValueError)


class _Message(msgspec.Struct):
    date_created: str


async def created_at(
    settings: Settings, vault: Vault, account: str, message_id: str
) -> datetime | None:
    """Return when Twilio had the message, in whole seconds; None where that cannot be found out.

    It is asked as the account itself, by the `ACCOUNT_SID:token` pairs.
    """
    # What is not of this form came from nobody whom we could ask about it.
    if not _ACCOUNT.fullmatch(account) or not _MESSAGE.fullmatch(message_id):
        return None
    resource = f"/2010-04-01/Accounts/{account}/Messages/{message_id}.json"
    url = URL(settings.twilio_api_url.rstrip("/") + resource)
    tokens = vault.twilio_credentials(account)
    try:
        async with asyncio.timeout(settings.twilio_api_timeout_seconds), _session() as session:
            # Of several some may be new, old, or secrets of SharedKeys.
            for token in tokens:
                if (answer := await _get(session, url, Credentials(account, token))) is not None:
                    return _read(answer)
    except _UNKNOWN:
        return None
    return None


def _session() -> ClientSession:
    return ClientSession(cookie_jar=DummyCookieJar(), trust_env=False)


async def _get(session: ClientSession, url: URL, credentials: Credentials) -> bytes | None:
    async with session.get(url, headers=credentials.headers, allow_redirects=False) as response:
        if response.status != _OK:
            return None
        answer = bytearray()
        async for chunk in response.content.iter_any():
            answer += chunk
            if len(answer) > _ANSWER_BYTES_MAX:
                return None
        return bytes(answer)


def _read(answer: bytes) -> datetime | None:
    """Read `date_created`, a moment as of RFC 2822; without its zone it would be none."""
    at = parsedate_to_datetime(msgspec.json.decode(answer, type=_Message).date_created)
    return at if at.tzinfo else None
