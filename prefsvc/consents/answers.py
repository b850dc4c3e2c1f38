"""What Twilio answers: a result for each item, or that a request came to nothing.

Of its words only those that are known are kept: a message may repeat a number.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

Failure = Literal[
    "timed_out",
    "not_connected",
    "not_understood",
    "unauthorized",
    "forbidden",
    "redirected",
    "slow_down",
    "refused",
    "unavailable",
]

_INVALID: Final = "30646"
"""Twilio's "Failed to Upsert Consent", with the reasons below."""
_REASONS: Final = (
    "INVALID_CONTACT_ID",
    "INVALID_CORRELATION_ID",
    "INVALID_SENDER_ID",
    "INVALID_SOURCE",
    "INVALID_STATUS",
    "INTERNAL_SERVER_ERROR",
)
_PASSING: Final = "INTERNAL_SERVER_ERROR"
_CODE: Final = re.compile(r"[0-9]{1,6}")
_FAILURES: Final[dict[int, Failure]] = {
    400: "refused", 413: "refused", 414: "refused", 415: "refused", 422: "refused",
    401: "unauthorized", 403: "forbidden", 404: "forbidden", 429: "slow_down",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failed:
    """Why an item was not taken, in a few words without anybody's number."""

    error: str
    is_final: bool = False
    """Whether it would not be taken another time either."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered: what became of its items, by correlation id in hex."""

    results: Mapping[str, Failed | None]

    def result(self, correlation_id: str) -> Failed | None:
        """Return why an item was not taken; one that the answer leaves out was not."""
        return self.results.get(correlation_id, _LEFT_OUT)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request that came to nothing for all its items."""

    how: Failure
    retry_after_seconds: float | None = None
    """How long Twilio asked us to wait."""


Answer = Answered | Unanswered
_LEFT_OUT: Final = Failed("left out of the answer")


class _Result(msgspec.Struct, frozen=True):
    correlation_id: str
    error_code: int | str | None = None
    error_messages: list[str] | None = None


class _Results(msgspec.Struct, frozen=True):
    items: list[_Result]


def read(status: int, body: bytes, retry_after_seconds: float | None) -> Answer:
    """Read an answer: its HTTP status, its body and what it asks us to wait."""
    if not 200 <= status < 300:  # noqa: PLR2004 - the class of statuses that mean success
        return Unanswered(_failure(status), retry_after_seconds)
    try:
        results = msgspec.json.decode(body, type=_Results)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Unanswered("not_understood")
    return Answered({_plain(one.correlation_id): _failed(one) for one in results.items})


def _plain(correlation_id: str) -> str:
    return correlation_id.replace("-", "").lower()


def _failure(status: int) -> Failure:
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        return "redirected"
    return _FAILURES.get(status, "unavailable")


def _failed(result: _Result) -> Failed | None:
    messages = result.error_messages or ()
    if str(result.error_code) == "0" or (result.error_code is None and not messages):
        return None
    code = str(result.error_code)
    reasons = _known(messages)
    is_final = code == _INVALID and bool(reasons) and _PASSING not in reasons
    return Failed(" ".join([code if _CODE.fullmatch(code) else "unknown", *reasons]), is_final)


def _known(messages: Iterable[str]) -> list[str]:
    text = " ".join(messages)
    return [reason for reason in _REASONS if reason in text]
