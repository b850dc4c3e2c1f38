"""Cases by API: what operators have to look into, note about, and resolve."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from aiohttp import web

from prefsvc import cases, senders
from prefsvc.cases import Case, Note
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import InvalidParameter, UnknownCase
from prefsvc.honour import Deadline, Moments
from prefsvc.reckonings import Reckonings
from prefsvc.web.auth import Entry, admitted
from prefsvc.web.body import Strict, answer, one_of, query, read_json, whole_number
from prefsvc.web.opt_out_api import explained, moment

PAGE_DEFAULT = 100
PAGE_MAX = 1000
NOTES_SHOWN = 1000
_STATES = ("open", "resolved")

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=4000, pattern="[^ \\t\\r\\n]")]
Cause = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern="[^ \\t\\r\\n]")]


class NoteBody(Strict, frozen=True, kw_only=True):
    """What there is to write down about a case."""

    note: Words


class ResolutionBody(Strict, frozen=True, kw_only=True):
    """Why it happened, in a few words, and what else there is to say."""

    cause: Cause
    note: Words | None = None


async def get_cases(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/cases: newest first."""
    entry = await admitted(request, "operator")
    given = query(request, "state", "sender", "limit", "after")
    is_open = _is_open(given.get("state"))
    size, after = _size(given), _after(given)
    async with entry.service.database.read() as tx:
        page = await cases.page(
            tx,
            entry.brand,
            is_open=is_open,
            sender=await senders.find(tx, entry.brand, given["sender"])
            if "sender" in given
            else None,
            after=await cases.find(tx, entry.brand, after) if after else None,
            size=size,
        )
    following = str(page[-1].case_id) if len(page) == size else None
    return answer({"cases": [_document(one) for one in page], "next": following})


async def get_case(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/cases/{case_id}: with its notes and violations."""
    entry = await admitted(request, "operator")
    given = query(request, "limit", "after")
    size, after = _size(given), _after(given)
    async with entry.service.database.read() as tx:
        case = await cases.find(tx, entry.brand, _case_id(request))
        notes = await cases.notes(tx, case, size=NOTES_SHOWN)
        note_count = await cases.note_count(tx, case)
        page = await cases.violations(tx, case, after=after, size=size)
        reckonings = Reckonings(tx)
        violations = [_violation_document(one, await _deadline(reckonings, one)) for one in page]
    following = str(page[-1].violation_id) if len(page) == size else None
    return answer(
        _document(case)
        | {
            "evidence": case.evidence,
            "notes": [_note_document(one) for one in notes],
            "note_count": note_count,
            "violations": violations,
            "next": following,
        }
    )


async def post_note(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/cases/{case_id}/notes."""
    entry = await admitted(request, "operator")
    body = await read_json(request, NoteBody)
    async with entry.service.database.transaction() as tx:
        case = await cases.find(tx, entry.brand, _case_id(request))
        made = await cases.note(tx, case.case_id, _who(entry), body.note)
    return answer(_note_document(made), status=201)


async def post_resolution(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/cases/{case_id}/resolution."""
    entry = await admitted(request, "operator")
    body = await read_json(request, ResolutionBody)
    async with entry.service.database.transaction() as tx:
        resolved = await _resolve(tx, entry, _case_id(request), body)
    return answer(_document(resolved))


async def _resolve(tx: Tx, entry: Entry, case_id: UUID, body: ResolutionBody) -> Case:
    return await cases.resolve(
        tx, entry.brand, case_id, by=_who(entry), cause=body.cause, text=body.note
    )


def _who(entry: Entry) -> str:
    return f"{entry.caller.label} (key {entry.caller.api_key_id})"


def _is_open(state: str | None) -> bool | None:
    return None if state is None else one_of(state, name="state", allowed=_STATES) == "open"


def _size(given: dict[str, str]) -> int:
    limit = given.get("limit", str(PAGE_DEFAULT))
    return whole_number(limit, name="limit", at_least=1, at_most=PAGE_MAX)


def _after(given: dict[str, str]) -> UUID | None:
    try:
        return UUID(given["after"]) if "after" in given else None
    except ValueError:
        raise InvalidParameter("after must be what `next` gave.", pointer="after") from None


def _case_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["case_id"])
    except ValueError:
        raise UnknownCase from None


def _document(case: Case) -> dict[str, Any]:
    return {
        "case_id": str(case.case_id),
        "sender": case.sender,
        "kind": case.kind,
        "state": "resolved" if case.resolved_at else "open",
        "mailing": case.mailing,
        "opened_at": moment(case.opened_at),
        "violation_count": case.violation_count,
        "recovered_at": moment(case.recovered_at),
        "resolved_at": moment(case.resolved_at),
        "cause": case.cause,
        "resolved_by": case.resolved_by,
    }


def _note_document(note: Note) -> dict[str, Any]:
    return {
        "note_id": str(note.note_id),
        "noted_at": moment(note.noted_at),
        "noted_by": note.noted_by,
        "note": note.note,
    }


async def _deadline(reckonings: Reckonings, row: queries.CaseViolationsRow) -> Deadline | None:
    moments = Moments(
        sent_at=row.opt_out_sent_at, received_at=row.received_at, recorded_at=row.recorded_at
    )
    return await reckonings.of(row.deadline, moments)


def _violation_document(
    row: queries.CaseViolationsRow, deadline: Deadline | None
) -> dict[str, Any]:
    return {
        "violation_id": str(row.violation_id),
        "report_id": str(row.report_id),
        # None after erasure: the silence is kept, the address is not.
        "address": row.address,
        "sent_at": moment(row.sent_at),
        "topic": row.topic,
        "message_class": row.message_class,
        "mailing": row.mailing,
        "acknowledged_at": moment(row.acknowledged_at),
        "had_heard": row.had_heard,
        "list_had_it": row.list_had_it,
        "found_at": moment(row.found_at),
        "opt_out": {
            "opt_out_id": str(row.opt_out_id),
            "scope": row.scope,
            "topic": row.opt_out_topic or None,
            "reason": row.reason,
            "source": row.source,
            "received_at": moment(row.received_at),
            "recorded_at": moment(row.recorded_at),
            "deadline_at": moment(row.deadline_at),
            "deadline": explained(deadline),
        },
    }
