"""Mailgun's tokens, each good for one event: its signature does not cover what it comes with.

They are kept in the database, beside the answers to API calls and for as long: any process may be
the one to which a token is shown again.
"""

import hashlib

from prefsvc.address import BUCKET_COUNT
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import UnsignedMailEvents

_ACCEPTED = 200


async def claim(tx: Tx, source: str, token: str, sha256: bytes) -> None:
    """Note what a token came with; refuse it where it came with something else before.

    The same again is a retry: the answer to the first may have been lost, or have been a 503.
    """
    owner, key = f"mail_events:{source}", hashlib.sha256(token.encode(errors="replace")).hexdigest()
    bucket = int(key[:8], 16) % BUCKET_COUNT
    claimed = await queries.keep_answer(
        tx.conn,
        bucket=bucket,
        owner=owner,
        idempotency_key=key,
        request_sha256=sha256,
        status=_ACCEPTED,
        answer={},
        created_at=tx.now,
    )
    if claimed is not None:
        return
    known = await queries.kept_answer(tx.conn, bucket=bucket, owner=owner, idempotency_key=key)
    if known is None or known.request_sha256 != sha256:
        raise UnsignedMailEvents
