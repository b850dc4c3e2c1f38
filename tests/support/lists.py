"""Saying things as acme's operator, and reading acme's lists as a sender would."""

import csv
import hashlib
import io
import json
from dataclasses import dataclass, field
from datetime import datetime

from prefsvc.cursor import Cursor

ACME = "/v1/brands/acme"
COLUMNS = ["channel", "address", "sha256", "scope", "topic", "reason", "since", "deadline_at"]


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


async def say_stop(client, keys, address, *, channel="email", **more):
    """Record an opt-out as acme's operator; return the answer."""
    body = {"channel": channel, "address": address} | more
    reply = await client.post(f"{ACME}/opt-outs", headers=keys.operator, json=body)
    assert reply.status in (200, 201), await reply.text()
    return await reply.json()


async def say_start(client, keys, address, *, channel="email", source="phone", **more):
    """Record an opt-in as acme's operator; return the answer."""
    body = {
        "channel": channel, "address": address, "source": source, "evidence": {"call": "7"}
    } | more  # fmt: skip
    reply = await client.post(f"{ACME}/opt-ins", headers=keys.operator, json=body)
    assert reply.status == 201, await reply.text()
    return await reply.json()


async def check(client, headers, *addresses, **body):
    """Ask about addresses; return a verdict each."""
    asked = body if "sha256" in body else {"addresses": list(addresses)} | body
    reply = await client.post(f"{ACME}/check", headers=headers, json=asked)
    assert reply.status == 200, await reply.text()
    return (await reply.json())["results"]


async def problem(reply):
    """Return a refusal's status and code."""
    assert reply.content_type == "application/problem+json", await reply.text()
    return reply.status, (await reply.json())["code"]


@dataclass(frozen=True)
class Snapshot:
    """A list that proved to be whole."""

    rows: list[dict]
    end: dict
    headers: object

    @property
    def suppressed(self):
        """Return what it suppresses, each with its deadline."""
        return {slot(row): datetime.fromisoformat(row["deadline_at"]) for row in self.rows}


class TruncatedError(Exception):
    """A list without its last line, or with another number of lines than it says."""


def slot(row):
    return (row["sha256"], row["scope"], row["topic"] or None, row["reason"])


def read_ndjson(raw):
    """Read a snapshot as docs tell senders to: believe it only if its last line fits."""
    lines = raw.split(b"\n")[:-1]
    end = json.loads(lines[-1]) if lines else {}
    body = b"".join(line + b"\n" for line in lines[:-1])
    if not end.get("end") or end["count"] != len(lines) - 1:
        raise TruncatedError
    if end["lines_sha256"] != hashlib.sha256(body).hexdigest():
        raise TruncatedError
    return [json.loads(line) for line in lines[:-1]], end


def read_csv(raw):
    """Read the same as CSV."""
    head, *lines = raw.split(b"\n")[:-1] or [b""]
    rows = list(csv.reader(io.StringIO(raw.decode(), newline="")))
    if not rows or rows[-1][:1] != ["#end"] or int(rows[-1][1]) != len(lines) - 1:
        raise TruncatedError
    body = b"".join(line + b"\n" for line in lines[:-1])
    if rows[-1][2] != hashlib.sha256(body).hexdigest() or head.decode().split(",") != COLUMNS:
        raise TruncatedError
    end = dict(zip(("count", "lines_sha256", "cursor"), rows[-1][1:], strict=True))
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows[1:-1]], end


async def snapshot(client, headers, **parameters):
    """Pull a list and believe it only if it is whole."""
    reply = await client.get(f"{ACME}/suppressions", headers=headers, params=parameters)
    assert reply.status == 200, await reply.text()
    read = read_csv if parameters.get("format") == "csv" else read_ndjson
    rows, end = read(await reply.read())
    return Snapshot(rows, end, reply.headers)


@dataclass
class Follower:
    """A sender that applies the feed, page by page, and insists that no position is missing."""

    client: object
    headers: dict
    parameters: dict = field(default_factory=dict)
    cursor: str | None = None
    positions: dict[int, int] = field(default_factory=dict)
    suppressed: dict[tuple, datetime] = field(default_factory=dict)

    async def page(self, **parameters):
        after = {"after": self.cursor} if self.cursor else {}
        asked = {"limit": "3"} | self.parameters | after | parameters
        reply = await self.client.get(f"{ACME}/feed", headers=self.headers, params=asked)
        assert reply.status == 200, await reply.text()
        page = await reply.json()
        self._apply(page)
        return page

    def _apply(self, page):
        apply_page(page["covers"], page["changes"], self.positions, self.suppressed)
        self.cursor = page["cursor"]
        read = Cursor.parse(self.cursor).positions
        assert {n: at for n, at in enumerate(read) if at} == self.positions

    async def catch_up(self):
        while (await self.page())["has_more"]:
            pass
        return self


def apply_page(covers, changes, positions, suppressed):
    """Apply a page; its spans must begin where the reader stands, and hold its changes."""
    for span in covers:
        assert span["first"] == positions.get(span["bucket"], 0) + 1
        assert span["last"] >= span["first"]
        positions[span["bucket"]] = span["last"]
    spans = {span["bucket"]: span for span in covers}
    for change in changes:
        span = spans[change["bucket"]]
        assert span["first"] <= change["position"] <= span["last"]
        if change["change"] == "added":
            suppressed[slot(change)] = datetime.fromisoformat(change["deadline_at"])
        else:
            assert change["change"] == "lifted"
            suppressed.pop(slot(change))
