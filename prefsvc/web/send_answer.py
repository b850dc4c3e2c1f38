"""The answer to a send report, kept small until the report has been read.

A client sends its whole body before it reads, so nothing can be answered line by line. A verdict
is kept in two bytes and a violation in forty more: not an object for each of a million lines.
"""

import struct
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from prefsvc.errors import Refusal
from prefsvc.sends import Finished, Judged, Outcome
from prefsvc.web.opt_out_api import moment

_VIOLATION = struct.Struct(">16s16sq")  # the opt-out, the case, the deadline in microseconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Word = dict[str, str]
"""All that is said of a line but its number, and what only violations have."""


@dataclass(slots=True)
class Answer:
    """What came of each line read so far, in order."""

    lines: "array[int]" = field(default_factory=lambda: array("H"))
    """For each line, the number of its word."""
    words: list[Word] = field(default_factory=list)
    numbers: dict[tuple[str, ...], int] = field(default_factory=dict)
    violations: bytearray = field(default_factory=bytearray)
    cases: dict[UUID, None] = field(default_factory=dict)
    """The violations' cases, in the order they were found."""

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Keep what came of the next lines."""
        for outcome in outcomes:
            self.lines.append(self._number(_word(outcome)))
            if isinstance(outcome, Judged) and outcome.case_id:
                self._keep(outcome, outcome.case_id)

    def _number(self, word: Word) -> int:
        """Return the word's number: there are few of them, since none repeats what was sent."""
        key = tuple(word.values())
        if key not in self.numbers:
            self.numbers[key] = len(self.words)
            self.words.append(word)
        return self.numbers[key]

    def _keep(self, violation: Judged, case_id: UUID) -> None:
        state = violation.verdict.state
        if state is None or state.deadline_at is None:
            raise LookupError("a violation without a deadline")
        deadline = (state.deadline_at - _EPOCH) // _MICROSECOND
        self.violations += _VIOLATION.pack(state.event_id.bytes, case_id.bytes, deadline)
        self.cases[case_id] = None

    def documents(self) -> Iterator[dict[str, Any]]:
        """Write what came of each line."""
        violations = _VIOLATION.iter_unpack(self.violations)
        for line, number in enumerate(self.lines, start=1):
            word = self.words[number]
            more = _violation(*next(violations)) if word["verdict"] == "violation" else {}
            yield {"line": line} | word | more

    def last(self, finished: Finished) -> dict[str, Any]:
        """Write the last line: without it, the answer was cut off."""
        return {
            "end": True,
            "report_id": finished.report_id,
            "counts": finished.counts,
            "first_sent_at": moment(finished.first_sent_at),
            "last_sent_at": moment(finished.last_sent_at),
            "cases": list(self.cases),
        }


def _word(outcome: Outcome) -> Word:
    if isinstance(outcome, Refusal):
        at = {"pointer": outcome.pointer} if outcome.pointer else {}
        return {"verdict": "refused", "code": outcome.code, "detail": str(outcome)} | at
    why = {"why": outcome.verdict.why} if outcome.verdict.why else {}
    return {"verdict": outcome.verdict.kind, **why}


def _violation(opt_out: bytes, case: bytes, deadline: int) -> dict[str, Any]:
    return {
        "opt_out_id": UUID(bytes=opt_out),
        "deadline_at": moment(_EPOCH + deadline * _MICROSECOND),
        "case_id": UUID(bytes=case),
    }


def encoded(documents: Iterable[dict[str, Any]], *, size: int) -> Iterator[bytes]:
    """Write documents a line each, so many at a time."""
    encoder, part = msgspec.json.Encoder(), []
    for document in documents:
        part.append(encoder.encode(document))
        if len(part) == size:
            yield b"\n".join(part) + b"\n"
            part = []
    if part:
        yield b"\n".join(part) + b"\n"
