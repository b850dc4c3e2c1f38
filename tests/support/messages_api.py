"""Twilio's Messages API, as far as it says when a message came in."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

from aiohttp import web
from aiohttp.test_utils import TestServer

PATH = "/2010-04-01/Accounts/{account}/Messages/{sid}.json"


@dataclass
class MessagesApi:
    """Which messages it knows, whom it lets in, what it was asked; `answer` is said instead."""

    url: str = ""
    sent: dict[str, datetime] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    answer: Callable[[], web.Response] | None = None
    is_stuck: bool = False
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, request: web.Request) -> web.Response:
        account, sid = request.match_info["account"], request.match_info["sid"]
        self.asked.append(sid)
        if self.is_stuck:
            await self.let_go.wait()
        if self.answer:
            return self.answer()
        scheme, _, credentials = request.headers["Authorization"].partition(" ")
        login, _, password = b64decode(credentials).decode().partition(":")
        if (scheme, login) != ("Basic", account) or password not in self.tokens:
            return web.json_response({"code": 20003}, status=401)
        if sid not in self.sent:
            return web.json_response({"code": 20404}, status=404)
        created_at = format_datetime(self.sent[sid])
        return web.json_response({"sid": sid, "date_created": created_at, "direction": "inbound"})


@asynccontextmanager
async def messages_api() -> AsyncIterator[MessagesApi]:
    """Play it for the block's length."""
    api = MessagesApi()
    app = web.Application()
    app.router.add_get(PATH, api.get)
    async with TestServer(app) as server:
        api.url = str(server.make_url("")).rstrip("/")
        yield api
        api.let_go.set()
