"""Call Twilio's Consent Management API: one request at a time, whose answer is always one."""

import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aiohttp
from aiohttp import ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, FormData

from prefsvc import retries
from prefsvc.consents import answers
from prefsvc.consents.answers import Answer, Unanswered
from prefsvc.settings import Settings

_ANSWER_BYTES_MAX: Final = 64 << 10
"""The most that is read of an answer; one about 25 items has some 5,000."""
_USER_AGENT: Final = "prefsvc"


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """An account and one of its tokens; never printed."""

    account: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """Return the header that shows them (RFC 7617)."""
        encoded = b64encode(f"{self.account}:{self.token}".encode())
        return {"Authorization": f"Basic {encoded.decode()}"}


@dataclass(frozen=True, slots=True)
class Consents:
    """The client; credentials are given with every request, for accounts have their own."""

    session: ClientSession
    url: str

    async def tell(self, credentials: Credentials, items: Sequence[str], now: datetime) -> Answer:
        """Send one request's items; never raise for what Twilio or the network does."""
        form = FormData([("Items", item) for item in items])
        try:
            async with self.session.post(
                self.url, data=form, headers=credentials.headers, allow_redirects=False
            ) as response:
                asked = retries.asked_seconds(response.headers.get("Retry-After"), now)
                return answers.read(response.status, await _body(response), asked)
        except TimeoutError:
            return Unanswered("timed_out")
        except (aiohttp.ClientConnectionError, ssl.SSLError, OSError):
            return Unanswered("not_connected")
        except (aiohttp.ClientError, ValueError):
            return Unanswered("not_understood")


async def _body(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_BYTES_MAX:
            raise ValueError("the answer is too long")
    return bytes(body)


@asynccontextmanager
async def consents(settings: Settings) -> AsyncIterator[Consents]:
    """Open the client for the block."""
    async with ClientSession(
        timeout=ClientTimeout(total=settings.twilio_timeout_seconds),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,  # a small answer must not become a large one
        trust_env=False,  # tokens go to Twilio and to nobody in between
        headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"},
    ) as session:
        yield Consents(session, settings.twilio_consents_url)
