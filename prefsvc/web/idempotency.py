"""Idempotency-Key: the effect and its answer commit together, and a retry gets the same answer."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from prefsvc.cursor import BUCKET_COUNT
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.errors import IdempotencyKeyReused, InvalidParameter
from prefsvc.ledger_row import canonical_json
from prefsvc.web.auth import Entry
from prefsvc.web.body import answer

# A structured-field string (RFC 8941), or the bare word that most clients send.
_KEY = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([A-Za-z0-9_.:/+=-]{1,255})')

Outcome = tuple[int, Json]
REPLAYED = "Idempotent-Replayed"
"""The header of an answer that was given before."""


class _AnsweredMeanwhileError(Exception):
    """Another request under the same key committed first: ours must not."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request under a key: whose it is, which key, and what it asks for."""

    owner: str
    key: str
    sha256: bytes

    @property
    def bucket(self) -> int:
        """Return where its answer is kept: by the key, for a request may concern many addresses."""
        return hashlib.sha256(f"{self.owner} {self.key}".encode()).digest()[-1] % BUCKET_COUNT


def request_of(request: web.Request, entry: Entry, body: object) -> Request | None:
    """Read the header; None where the caller sent none."""
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return None
    match = _KEY.fullmatch(header.strip())
    if match is None:
        raise InvalidParameter(
            "Idempotency-Key must be 1 to 255 printable characters.", pointer="Idempotency-Key"
        )
    what = canonical_json([request.method, request.match_info.route.name, request.path, body])
    return Request(entry.caller.api_key_id, match[1] or match[2], hashlib.sha256(what).digest())


async def once(
    entry: Entry, request: Request | None, act: Callable[[Tx], Awaitable[Outcome]]
) -> web.Response:
    """Do it in one transaction with its answer; under a key seen before, answer as then."""
    if request is None:
        async with entry.service.writing(entry.brand) as tx:
            status, body = await act(tx)
        return answer(body, status=status)
    try:
        async with entry.service.writing(entry.brand) as tx:
            if kept := await _kept(tx, request):
                return _again(kept)
            status, body = await act(tx)
            await _keep(tx, request, status, body)
        return answer(body, status=status)
    except _AnsweredMeanwhileError:
        async with entry.service.database.read() as tx:
            return _again(await _kept(tx, request))


async def _kept(tx: Tx, request: Request) -> Outcome | None:
    row = await queries.kept_answer(
        tx.conn, bucket=request.bucket, owner=request.owner, idempotency_key=request.key
    )
    if row is None:
        return None
    if row.request_sha256 != request.sha256:
        raise IdempotencyKeyReused
    return row.status, row.answer


async def _keep(tx: Tx, request: Request, status: int, body: Json) -> None:
    kept = await queries.keep_answer(
        tx.conn,
        bucket=request.bucket,
        owner=request.owner,
        idempotency_key=request.key,
        request_sha256=request.sha256,
        status=status,
        answer=body,
        created_at=tx.now,
    )
    if kept is None:
        raise _AnsweredMeanwhileError


def _again(kept: Outcome | None) -> web.Response:
    if kept is None:
        raise LookupError("an answer was kept and is gone")
    status, body = kept
    return answer(body, status=status, headers={REPLAYED: "true"})
