"""Send reports: a sender says what it sent, line by line, and is told what each message was."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Annotated

import msgspec
from aiohttp import web

from prefsvc import metrics, sends
from prefsvc.address import Address, address_key
from prefsvc.errors import EmptyReport, InvalidBody, Refusal
from prefsvc.sends import Finished, Outcome, Reported, word_of
from prefsvc.suppression import MessageClass
from prefsvc.violations import Report
from prefsvc.web.auth import Entry, admitted
from prefsvc.web.body import Strict, decode, query
from prefsvc.web.lines import Line, batches, chunks, lines
from prefsvc.web.mailing_api import MailingName
from prefsvc.web.opt_out_api import Moment, Text
from prefsvc.web.problems import breaking_off
from prefsvc.web.send_answer import Answer, encoded
from prefsvc.web.sender_named import sender_named
from prefsvc.web.turns import turn

BATCH_LINES = 2048
TURN_LINES = 128
"""How many lines are read in one go, before others have their turn: a few milliseconds of work."""

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}\\Z")]


class SendLine(Strict, frozen=True, kw_only=True):
    """One message: to whom, by address or its SHA-256, when, and what it was."""

    address: Text | None = None
    sha256: Sha256 | None = None
    sent_at: Moment
    topic: Text | None = None
    message_class: MessageClass | None = None
    mailing: MailingName | None = None


async def post_sends(request: web.Request) -> web.StreamResponse:
    """POST /v1/brands/{brand}/sends: a line of JSON for each message, and one back for each."""
    entry = await admitted(request, "sender", "operator")
    given = query(request, "sender")
    service = entry.service
    async with service.database.read() as tx:
        sender = await sender_named(tx, entry, given.get("sender"))
    places = service.reports_of[sender.sender_id]
    async with turn(service, places), turn(service, service.reports):
        answer = Answer()
        finished = await _read(request, entry, Report(entry.brand, sender), answer)
        return await _answered(request, entry, finished, answer)


async def _read(request: web.Request, entry: Entry, report: Report, answer: Answer) -> Finished:
    """Judge the report while it arrives; what was read before it broke off counts and stays."""
    settings, digest = entry.service.settings, hashlib.sha256()

    async def arriving() -> AsyncIterator[bytes]:
        async for chunk in chunks(
            request,
            bytes_max=settings.sends_body_bytes_max,
            pause_seconds=settings.body_read_timeout_seconds,
            whole_seconds=settings.stream_timeout_seconds,
        ):
            digest.update(chunk)
            yield chunk

    every = lines(arriving(), lines_max=settings.sends_lines_max)
    async for batch in batches(every, BATCH_LINES):
        answer.add(await _judged(entry, report, batch))
    if not answer.lines:
        raise EmptyReport
    async with entry.service.database.transaction() as tx:
        return await sends.finish(tx, report, digest.digest())


async def _judged(entry: Entry, report: Report, batch: Sequence[Line]) -> list[Outcome]:
    service = entry.service
    ahead = timedelta(seconds=service.settings.sender_clock_ahead_seconds_max)
    read: list[Reported | Refusal] = []
    for start in range(0, len(batch), TURN_LINES):
        read += [_reported(entry, report, line) for line in batch[start : start + TURN_LINES]]
        await asyncio.sleep(0)
    async with service.database.transaction() as tx:
        outcomes = await sends.add(tx, report, read, latest=tx.now + ahead)
    for word, count in Counter(word_of(one) for one in outcomes).items():
        metrics.SENDS.labels(entry.brand.slug, word).inc(count)
        if word == "violation":
            service.enqueued.set()  # the alarm of a new case is on its way
    return outcomes


def _reported(entry: Entry, report: Report, line: Line) -> Reported | Refusal:
    if isinstance(line, Refusal):
        return line
    try:
        body = decode(line, SendLine, what="line")
        sha256 = _sha256(report, body)
    except Refusal as refusal:
        return refusal
    key = address_key(entry.service.vault.pepper, report.sender.channel, sha256)
    return Reported(key, body.sent_at, body.topic, body.message_class, body.mailing)


def _sha256(report: Report, body: SendLine) -> bytes:
    if body.address is not None and body.sha256 is None:
        return Address.for_opt_out(report.sender.channel, body.address).sha256
    if body.sha256 is not None and body.address is None:
        return bytes.fromhex(body.sha256)
    raise InvalidBody("Give either address or sha256.", pointer="/address")


async def _answered(
    request: web.Request, entry: Entry, finished: Finished, answer: Answer
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    with breaking_off(request):
        async with asyncio.timeout(entry.service.settings.stream_timeout_seconds):
            for part in encoded(answer.documents(), size=TURN_LINES):
                await response.write(part)
            await response.write(msgspec.json.encode(answer.last(finished)) + b"\n")
    await response.write_eof()
    return response
