"""What knocks at an unsubscribe link, and what its answers tell (RFC 8058; RULES E-11 to E-16).

Pure: the requests that mail programs and scanners are known to make, and how each answer reads.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from prefsvc.links import ONE_CLICK

_FORM: Final = "application/x-www-form-urlencoded"
_BOUNDARY: Final = "prefsvc-one-click"
_MULTIPART: Final = (
    f"--{_BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
    "One-Click\r\n"
    f"--{_BOUNDARY}--\r\n"
)
SLOW_SECONDS: Final = 5.0
"""Longer than this, and some who ask have gone away."""


@dataclass(frozen=True, slots=True)
class Knock:
    """One request as somebody makes it; `asks` says whether it asks for the unsubscribe."""

    who: str
    method: str
    asks: bool
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back: the status, and what else counts; None where nothing did."""

    status: int | None
    seconds: float
    sets_cookie: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What the one who knocked would see, and whether that is as it should be."""

    knock: Knock
    text: str
    is_well: bool


# Those that only look come first: the link must stand unused until somebody asks.
KNOCKS: Final = (
    Knock("a scanner", "HEAD", asks=False),
    Knock("a scanner", "GET", asks=False),
    Knock("a person who clicks", "GET", asks=False, headers={"Accept": "text/html"}),
    Knock("Gmail", "POST", asks=True, headers={"Content-Type": _FORM}, body=ONE_CLICK.encode()),
    Knock(
        "Yahoo",
        "POST",
        asks=True,
        headers={"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"},
        body=_MULTIPART.encode(),
    ),
    Knock(
        "Apple Mail",
        "POST",
        asks=True,
        headers={"Content-Type": f"{_FORM}; charset=utf-8"},
        body=ONE_CLICK.encode(),
    ),
    Knock("a program that posts no body", "POST", asks=True),
)


def read_answer(knock: Knock, answered: Answered) -> Finding:
    """Say what the one who knocked sees."""
    wrong = list(_wrong(knock, answered))
    seen = "is unsubscribed" if knock.asks else "sees a page, and nothing is asked for"
    return Finding(knock, " ".join(wrong) or f"{seen} ({answered.status})", is_well=not wrong)


def _wrong(knock: Knock, answered: Answered) -> Iterator[str]:
    status = answered.status
    if status is None:
        yield "gets no answer."
    elif 300 <= status < 400:  # noqa: PLR2004 - redirects
        yield f"is sent elsewhere ({status}); one click must not redirect (RFC 8058 3.1)."
    elif not 200 <= status < 300:  # noqa: PLR2004 - the class of statuses that mean success
        is_left = "stays subscribed" if knock.asks else "sees no page"
        yield f"is refused ({status}) and {is_left}."
    if answered.sets_cookie and knock.asks:
        yield "is given a cookie; one click needs none (RFC 8058 3.1)."
    if answered.seconds > SLOW_SECONDS:
        yield f"waits {answered.seconds:.1f} s; more than {SLOW_SECONDS:.0f} are too many."
