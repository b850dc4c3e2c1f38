"""The certificates that Amazon SNS signs with: fetched once, and kept while the process lives."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from aiohttp import web
from cryptography.x509 import Certificate

from prefsvc.errors import SnsUnreachable
from prefsvc.mail_events.sns import certificate_of
from prefsvc.outward.fetch import Fetch, NotFetchedError, fetch
from prefsvc.settings import Settings


@dataclass(slots=True)
class Sns:
    """Amazon SNS as we ask it: for certificates, and to confirm a subscription."""

    fetch: Fetch = fetch
    _kept: OrderedDict[str, Certificate] = field(default_factory=OrderedDict)
    # One at a time: whoever names certificates that do not exist waits in line.
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def certificate(self, settings: Settings, url: str) -> Certificate:
        """Return a certificate; a document under such an address never changes."""
        if url in self._kept:
            return self._kept[url]
        async with self._asking:
            if url not in self._kept:
                self._keep(settings, url, certificate_of(await self.ask(settings, url)))
            return self._kept[url]

    async def ask(self, settings: Settings, url: str) -> bytes:
        """Fetch what is there; what does not come is for SNS to post again."""
        try:
            return await self.fetch(settings, url)
        except NotFetchedError:
            raise SnsUnreachable from None

    def _keep(self, settings: Settings, url: str, certificate: Certificate | None) -> None:
        if certificate is None:
            raise SnsUnreachable
        while len(self._kept) >= settings.sns_certificates_max:
            self._kept.popitem(last=False)
        self._kept[url] = certificate


SNS = web.AppKey("SNS", Sns)
