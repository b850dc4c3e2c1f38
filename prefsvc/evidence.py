"""What proves an act: made storable and bounded, and digested for the ledger.

Evidence is free-form JSON that a door writes down: never tokens, never more than it needs. It is
personal data, kept apart from the ledger (which holds only its digest) so that erasure can take it.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from prefsvc.ledger_row import canonical_json

TEXT_LENGTH_MAX = 4096
ITEMS_MAX = 64
DEPTH_MAX = 4

Evidence = dict[str, Any]


def storable(evidence: Mapping[str, Any]) -> Evidence:
    """Return the evidence in a form that is stored and read back the same.

    What the database cannot hold (NUL, lone surrogates) is replaced, what is too long is cut, what
    is empty is left out: an opt-out is never refused for its evidence.
    """
    return {
        _text(key): _value(value, DEPTH_MAX)
        for key, value in list(evidence.items())[:ITEMS_MAX]
        if value is not None
    }


def digest(evidence: Evidence) -> bytes:
    """Return the SHA-256 that the ledger keeps of it."""
    return hashlib.sha256(canonical_json(evidence)).digest()


def _value(value: object, depth: int) -> object:
    if type(value) is str:  # as nearly all are
        return _text(value)
    if value is None or isinstance(value, int):  # or a bool, which is one
        return value
    if isinstance(value, Mapping) and depth:
        return {_text(str(k)): _value(v, depth - 1) for k, v in list(value.items())[:ITEMS_MAX]}
    if isinstance(value, list | tuple) and depth:
        return [_value(item, depth - 1) for item in value[:ITEMS_MAX]]
    # Numbers with a point as text: PostgreSQL would write some of them another way.
    return _text(str(value))


def _text(text: str) -> str:
    if len(text) <= TEXT_LENGTH_MAX and text.isascii() and "\0" not in text:
        return text
    readable = text[:TEXT_LENGTH_MAX].encode("utf-8", "replace").decode()
    return readable.replace("\0", "\N{REPLACEMENT CHARACTER}")
