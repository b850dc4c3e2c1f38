"""Send reports: what a sender sent, judged message by message.

A report is read in parts, each judged and kept in a transaction of its own. So one that breaks off
leaves what was read; and sent again, it finds the same violations.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from prefsvc import mailings, suppressions, violations
from prefsvc.address import bucket_of, by_bucket
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import Refusal, SentInTheFuture, UnknownMailing, UnknownTopic
from prefsvc.installation import feed_epoch
from prefsvc.mailings import Mailing
from prefsvc.opt_outs import EARLIEST
from prefsvc.pace import Pace
from prefsvc.suppression import (
    MessageClass,
    Question,
    Scope,
    State,
    is_unproven,
    may_lift,
    parse_act,
    parse_reason,
)
from prefsvc.verdict import SILENT, Cut, History, Said, Send, Verdict, judge
from prefsvc.violations import Report, Violation


@dataclass(frozen=True, slots=True)
class Reported:
    """One message as its sender reports it."""

    address_key: bytes
    sent_at: datetime
    topic: str | None
    message_class: MessageClass | None
    mailing: str | None


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one message; `case_id` is that of a violation."""

    verdict: Verdict
    case_id: UUID | None = None


Outcome: TypeAlias = Judged | Refusal
"""What came of one line: a verdict, or why it does not count."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A report that was read to its end: its counts by verdict, and when the messages were sent."""

    report_id: UUID
    counts: Mapping[str, int]
    first_sent_at: datetime | None
    last_sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Message:
    address_key: bytes
    send: Send
    mailing: str | None


async def add(
    tx: Tx, report: Report, lines: Sequence[Reported | Refusal], *, latest: datetime
) -> list[Outcome]:
    """Judge one more part of a report and keep it; return what came of each line, in order.

    A line stands or falls alone. One that claims to have been sent after `latest` is refused.
    """
    read = await _read(tx, report, lines, latest)
    messages = [one for one in read if isinstance(one, _Message)]
    histories = await _histories(tx, report, {one.address_key for one in messages})
    verdicts = await _judged(messages, histories)
    case_of = await _keep_violations(tx, report, messages, verdicts, histories)
    judged = iter(Judged(verdict, case_of.get(number)) for number, verdict in enumerate(verdicts))
    outcomes = [one if isinstance(one, Refusal) else next(judged) for one in read]
    await _count(tx, report, outcomes, [one.send.sent_at for one in messages])
    return outcomes


async def finish(tx: Tx, report: Report, body_sha256: bytes) -> Finished:
    """Note that the report was read to its end, with the digest of what was read."""
    row = await queries.finish_report(
        tx.conn, report_id=report.report_id, now=tx.now, body_sha256=body_sha256
    )
    counts = {
        "clear": row.clear_count,
        "in_flight": row.in_flight_count,
        "violation": row.violation_count,
        "exempt": row.exempt_count,
        "refused": row.refused_count,
    }
    return Finished(row.report_id, counts, row.first_sent_at, row.last_sent_at)


async def _read(
    tx: Tx, report: Report, lines: Sequence[Reported | Refusal], latest: datetime
) -> list[_Message | Refusal]:
    names = {one.mailing for one in lines if isinstance(one, Reported) and one.mailing}
    known = await mailings.named(tx, report.brand, report.sender, names)
    reader = _Reader(report, known, await feed_epoch(tx), latest)
    return [one if isinstance(one, Refusal) else reader.read(one) for one in lines]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads reported messages against what the brand and its sender have made known."""

    report: Report
    mailings: Mapping[str, Mailing]
    epoch: UUID
    latest: datetime
    questions: dict[tuple[str | None, MessageClass | None], Question] = field(default_factory=dict)

    def read(self, one: Reported) -> _Message | Refusal:
        if one.sent_at > self.latest:
            return SentInTheFuture(pointer="/sent_at")
        mailing = self.mailings.get(one.mailing) if one.mailing else None
        if one.mailing and mailing is None:
            return UnknownMailing(pointer="/mailing")
        try:
            asked = self._question(one, mailing)
        except UnknownTopic:
            return UnknownTopic(pointer="/topic")
        cut = self._cut(mailing, bucket_of(one.address_key)) if mailing else None
        sent_at = max(EARLIEST, one.sent_at)
        send = Send(sent_at, self.report.sender.channel, asked, cut)
        return _Message(one.address_key, send, one.mailing)

    def _question(self, one: Reported, mailing: Mailing | None) -> Question:
        """Understand what was sent; what a line leaves open, its mailing says."""
        about = (one.topic, one.message_class)
        if mailing and one.topic in {None, mailing.topic}:
            # Not asked of the brand again: it may have dropped the topic since, its opt-outs stand.
            return Question(mailing.topic or "", one.message_class or mailing.message_class)
        if about not in self.questions:
            self.questions[about] = suppressions.question(
                self.report.brand,
                self.report.sender.channel,
                topic=about[0],
                message_class=about[1],
                purpose="message",
            )
        return self.questions[about]

    def _cut(self, mailing: Mailing, bucket: int) -> Cut:
        is_ours = mailing.cursor.epoch == self.epoch
        position = mailing.cursor.positions[bucket] if is_ours else None
        return Cut(mailing.head_positions[bucket], position)


async def _judged(
    messages: Iterable[_Message], histories: Mapping[bytes, History]
) -> list[Verdict]:
    verdicts, pace = [], Pace()
    for one in messages:
        history = histories.get(one.address_key, SILENT)
        verdicts.append(judge(history, one.send))
        await pace.after(1 + len(history.said))
    return verdicts


async def _histories(tx: Tx, report: Report, keys: Iterable[bytes]) -> dict[bytes, History]:
    """Read what these addresses said; most of a list never said anything, and cost a look."""
    brand_id, channel = report.brand.brand_id, report.sender.channel
    said: dict[bytes, list[Said]] = defaultdict(list)
    for bucket, wanted in by_bucket(keys).items():
        spoke = await queries.ever_suppressed(
            tx.conn, bucket=bucket, brand_id=brand_id, address_keys=wanted, channel=channel
        )
        if not spoke:
            continue
        for row in await queries.histories(
            tx.conn, bucket=bucket, brand_id=brand_id, address_keys=spoke, channel=channel
        ):
            said[row.address_key].append(_said(row))
    return {key: History.of(every) for key, every in said.items()}


def _said(row: queries.HistoriesRow) -> Said:
    state = State(
        Scope.parse(row.scope, row.topic),
        parse_reason(row.reason),
        active=parse_act(row.act) == "opt_out",
        said_at=min(row.sent_at or row.received_at, row.received_at),
        deadline_at=row.deadline_at,
        event_id=row.event_id,
        unproven=is_unproven(row.source),
    )
    can_lift = may_lift(row.source, state.reason)
    return Said(state, can_lift, row.position, row.received_at)


async def _keep_violations(
    tx: Tx,
    report: Report,
    messages: Sequence[_Message],
    verdicts: Sequence[Verdict],
    histories: Mapping[bytes, History],
) -> dict[int, UUID]:
    """Keep the violations; return the case of each by the number of its message."""
    found = {
        number: Violation(
            one.address_key, one.send, one.mailing, verdict.state, histories[one.address_key]
        )
        for number, (one, verdict) in enumerate(zip(messages, verdicts, strict=True))
        if verdict.kind == "violation" and verdict.state
    }
    if not found:
        return {}
    kept = await violations.keep(tx, report, list(found.values()))
    return dict(zip(found, kept, strict=True))


def word_of(outcome: Outcome) -> str:
    """Return the word for what came of a line: the verdict's, or `refused`."""
    return "refused" if isinstance(outcome, Refusal) else outcome.verdict.kind


async def _count(
    tx: Tx, report: Report, outcomes: Sequence[Outcome], moments: Sequence[datetime]
) -> None:
    counts = Counter(word_of(one) for one in outcomes)
    await queries.add_to_report(
        tx.conn,
        report_id=report.report_id,
        sender_id=report.sender.sender_id,
        received_at=tx.now,
        first_sent_at=min(moments, default=None),
        last_sent_at=max(moments, default=None),
        clear_count=counts["clear"],
        in_flight_count=counts["in_flight"],
        violation_count=counts["violation"],
        exempt_count=counts["exempt"],
        refused_count=counts["refused"],
    )
