"""`prefsvc cases`: what there is to look into, note about, and resolve."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from prefsvc import cases, senders
from prefsvc.cases import Case, Note
from prefsvc.cli.context import Commands, who, with_service
from prefsvc.db import queries
from prefsvc.doors import Service
from prefsvc.settings import Settings

SHOWN_DEFAULT = 20
NOTES_MAX = 1000


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("cases", help="see, note about and resolve cases")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="list a brand's cases, the newest first")
    listed.add_argument("brand")
    listed.add_argument("--state", choices=("open", "resolved"), help="only those in this state")
    listed.add_argument("--sender", help="only those of this sender")
    _add_limit(listed, "cases")
    listed.set_defaults(run=_list)
    show = actions.add_parser("show", help="show a case with its notes and violations")
    _add_case(show)
    _add_limit(show, "violations")
    show.set_defaults(run=_show)
    note = actions.add_parser("note", help="write something down about a case")
    _add_case(note)
    note.add_argument("note", help="the words")
    _add_by(note)
    note.set_defaults(run=_note)
    resolve = actions.add_parser("resolve", help="resolve a case, once, with its cause")
    _add_case(resolve)
    resolve.add_argument("cause", help="what the cause was, in a few words")
    resolve.add_argument("--note", help="what else there is to say")
    _add_by(resolve)
    resolve.set_defaults(run=_resolve)


def _add_case(parser: ArgumentParser) -> None:
    parser.add_argument("brand")
    parser.add_argument("case", type=UUID, help="its id")


def _add_limit(parser: ArgumentParser, what: str) -> None:
    shown = f"the most {what} ({SHOWN_DEFAULT})"
    parser.add_argument("--limit", type=int, default=SHOWN_DEFAULT, help=shown)


def _add_by(parser: ArgumentParser) -> None:
    parser.add_argument("--by", help="who says so (the account that runs this)")


def _list(settings: Settings, given: Namespace) -> int:
    is_open = None if given.state is None else given.state == "open"

    async def work(service: Service) -> list[Case]:
        brand = await service.brand(given.brand)
        async with service.database.read() as tx:
            sender = await senders.find(tx, brand, given.sender) if given.sender else None
            size = max(given.limit, 0)
            return await cases.page(tx, brand, is_open=is_open, sender=sender, size=size)

    lines = [_line(one) for one in with_service(settings, work)]
    print("\n".join(lines) or "There is no such case.")
    return 0


def _show(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> list[str]:
        brand = await service.brand(given.brand)
        async with service.database.read() as tx:
            case = await cases.find(tx, brand, given.case)
            notes = await cases.notes(tx, case, size=NOTES_MAX)
            size = max(given.limit, 0)
            violations = await cases.violations(tx, case, after=None, size=size)
            return _page(case, notes, violations)

    print("\n".join(with_service(settings, work)))
    return 0


def _note(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> Note:
        brand = await service.brand(given.brand)
        async with service.database.transaction() as tx:
            case = await cases.find(tx, brand, given.case)
            return await cases.note(tx, case.case_id, who(given), given.note)

    print(_note_line(with_service(settings, work)))
    return 0


def _resolve(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> Case:
        brand = await service.brand(given.brand)
        async with service.database.transaction() as tx:
            return await cases.resolve(
                tx, brand, given.case, by=who(given), cause=given.cause, text=given.note
            )

    print(_line(with_service(settings, work)))
    return 0


def _line(case: Case) -> str:
    mailing = f"  mailing {case.mailing}" if case.mailing else ""
    count = f"  violations: {case.violation_count}" if case.kind == "violation" else ""
    caught_up = f"  caught up {_moment(case.recovered_at)}" if case.recovered_at else ""
    end = f"resolved by {case.resolved_by}: {case.cause}" if case.resolved_at else "open"
    return (
        f"{_moment(case.opened_at)}  {case.case_id}  {case.sender}  {case.kind}{mailing}{count}"
        f"{caught_up}  {end}"
    )


def _page(
    case: Case, notes: Iterable[Note], violations: Iterable[queries.CaseViolationsRow]
) -> list[str]:
    return [
        _line(case),
        *(f"  note  {_note_line(one)}" for one in notes),
        *(f"  sent  {_violation_line(one)}" for one in violations),
    ]


def _note_line(note: Note) -> str:
    return f"{_moment(note.noted_at)}  {note.noted_by}: {note.note}"


def _violation_line(row: queries.CaseViolationsRow) -> str:
    heard = "had heard" if row.had_heard else "had not heard"
    return (
        f"{_moment(row.sent_at)}  to {row.address or 'an erased address'}  deadline "
        f"{_moment(row.deadline_at)}  opt-out {row.opt_out_id}  {heard}"
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
