"""Twilio's Consent Management API on this machine, as its documentation describes it."""

import asyncio
import json
import re
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.test_utils import TestServer

ACCOUNT = "AC" + "0123456789abcdef" * 2
OTHER_ACCOUNT = "AC" + "fedcba9876543210" * 2
TOKEN = "00112233445566778899aabbccddeeff"
ITEMS_MAX = 25
REQUESTS_MAX = 100
LIMIT_SECONDS = 20
KEYS = {"contact_id", "correlation_id", "sender_id", "status", "source", "date_of_consent"}
SOURCES = {"website", "offline", "opt-in-message", "opt-out-message", "others"}
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Told:
    """A request as it arrived."""

    at: datetime
    account: str
    items: list[dict]


@dataclass
class ConsentServer:
    """Whom it lets in, how it answers next, what was told, and by whose clock it counts."""

    url: str = ""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    tokens: dict[str, str] = field(default_factory=lambda: {ACCOUNT: TOKEN})
    answers: list[Answering | int] = field(default_factory=list)
    errors: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    """What it says of an item, by its number."""
    left_out: set[str] = field(default_factory=set)
    """The numbers of which it says nothing."""
    poison: set[str] = field(default_factory=set)
    """The numbers that make it refuse the whole request."""
    told: list[Told] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    """The account and token of requests that were not let in."""
    slowed: int = 0
    """How many requests came too fast."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def items(self) -> list[dict]:
        """What was told, in order."""
        return [item for one in self.told for item in one.items]

    def statuses(self, contact: str, sender: str) -> list[str]:
        """What was told of a number at a sender, in order."""
        return [
            item["status"]
            for item in self.items
            if (item["contact_id"], item["sender_id"]) == (contact, sender)
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        account, _, token = b64decode(request.headers["Authorization"][6:]).decode().partition(":")
        if self.tokens.get(account) != token:
            await self._note(lambda: self.refused.append((account, token)))
            return web.json_response({"code": 20003}, status=401)
        arrived = self._arrived(account, await request.text())
        if self._is_too_fast(arrived):
            self.slowed += 1
            return web.json_response({"code": 20429}, status=429, headers={"Retry-After": "30"})
        await self._note(lambda: self.told.append(arrived))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, int):
            return web.json_response({"code": 20500}, status=answer)
        return await answer(request) if answer else self._answer(arrived)

    def _arrived(self, account: str, text: str) -> Told:
        pairs = parse_qsl(text, strict_parsing=True)
        assert {name for name, _ in pairs} == {"Items"}
        return Told(self.clock(), account, [json.loads(value) for _, value in pairs])

    def _is_too_fast(self, arrived: Told) -> bool:
        since = arrived.at - timedelta(seconds=60)
        before = [one for one in self.told if one.account == arrived.account and one.at > since]
        return len(before) >= REQUESTS_MAX

    async def _note(self, noting: Callable[[], None]) -> None:
        async with self.changed:
            noting()
            self.changed.notify_all()

    def _answer(self, arrived: Told) -> web.Response:
        contacts = {item["contact_id"] for item in arrived.items}
        if len(arrived.items) > ITEMS_MAX or contacts & self.poison:
            return web.json_response({"code": 20001}, status=400)
        results = [
            self._result(item) for item in arrived.items if item["contact_id"] not in self.left_out
        ]
        return web.json_response({"items": results}, status=201)

    def _result(self, item: dict) -> dict:
        code, messages = self.errors.get(item["contact_id"], (0, []))
        reasons = messages or _faults(item)
        return {
            "correlation_id": item["correlation_id"],
            "error_code": code or (30646 if reasons else 0),
            "error_messages": reasons,
        }

    async def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait until what was told is as it should be."""
        async with asyncio.timeout(LIMIT_SECONDS), self.changed:
            await self.changed.wait_for(is_so)

    async def wait_for_items(self, count: int) -> list[dict]:
        """Wait until so many items were told; return them all."""
        await self.wait_for(lambda: len(self.items) >= count)
        return self.items


def _faults(item: dict) -> list[str]:
    """Return what Twilio would find wrong with an item."""
    checks = {
        "INVALID_CONTACT_ID": re.fullmatch(r"\+[1-9]\d{1,14}", item["contact_id"]),
        "INVALID_CORRELATION_ID": re.fullmatch(r"[0-9a-f]{32}", item["correlation_id"]),
        "INVALID_SENDER_ID": re.fullmatch(r"MG[0-9a-f]{32}|\+?\d{5,15}", item["sender_id"]),
        "INVALID_STATUS": item["status"] in {"opt-in", "opt-out"},
        "INVALID_SOURCE": item["source"] in SOURCES,
        "INVALID_KEYS": set(item) == KEYS and datetime.fromisoformat(item["date_of_consent"]),
    }
    return [reason for reason, is_well in checks.items() if not is_well]


@asynccontextmanager
async def listening() -> AsyncIterator[ConsentServer]:
    """Listen for the block's length."""
    server = ConsentServer()
    app = web.Application()
    app.router.add_post("/v1/Consents/Bulk", server.handle)
    async with TestServer(app) as running:
        server.url = str(running.make_url("/v1/Consents/Bulk"))
        yield server
