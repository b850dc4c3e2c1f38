"""The link door's answers as pages, in the person's language and the brand's look."""

from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web

from prefsvc.brands import AppliedBrand
from prefsvc.following import Followed
from prefsvc.opt_outs import Recorded
from prefsvc.suppression import Scope
from prefsvc.web.html_page import page_response
from prefsvc.web.pages import (
    LANGUAGE_PARAMETER,
    ConfirmPage,
    Covered,
    DonePage,
    Form,
    Frame,
    Look,
    ProblemPage,
    Subject,
    TakeBackPage,
    Undo,
    UndonePage,
    render,
)
from prefsvc.wording.texts import TEXTS, accepted_languages, page_language

UNDO_SUFFIX = "/undo"


@dataclass(frozen=True, slots=True)
class Done:
    """What the success page tells: what was recorded, and the ticket that undoes it, if any."""

    recorded: Recorded
    ticket: str | None
    undo_minutes: int
    nonce: str


def confirm(
    request: web.Request, followed: Followed, nonce: str, deadline_at: datetime
) -> web.Response:
    """Show the one button."""
    frame = _frame(request, followed)
    return page_response(
        render(
            ConfirmPage(
                frame=frame,
                look=_look(followed.brand, frame),
                subject=_subject(followed, followed.scope, frame),
                nonce=nonce,
                deadline=_day(followed.brand, deadline_at),
            )
        )
    )


def done(request: web.Request, followed: Followed, done: Done) -> web.Response:
    """Say what was stopped, by when all have heard, and how to take it back."""
    frame, recorded = _frame(request, followed), done.recorded
    undo = None
    if done.ticket:
        action = request.rel_url.raw_path.rstrip("/") + UNDO_SUFFIX
        undo = Undo(action=action, ticket=done.ticket, minutes=done.undo_minutes)
    deadline_at = recorded.deadline_at
    return page_response(
        render(
            DonePage(
                frame=frame,
                look=_look(followed.brand, frame),
                subject=_subject(followed, recorded.scope, frame),
                receipt=str(recorded.event_id),
                nonce=done.nonce,
                deadline=_day(followed.brand, deadline_at) if deadline_at else None,
                undo=undo,
                already=not recorded.is_new,
                since=None if recorded.is_new else _day(followed.brand, recorded.received_at),
            )
        )
    )


def receipt(event_id: UUID) -> web.Response:
    """Say the same in one line, to a program that shows nobody a page."""
    return web.Response(
        text=f"Unsubscribed. Receipt: {event_id}\n", headers={"Cache-Control": "no-store"}
    )


def take_back(request: web.Request, followed: Followed, scope: Scope, nonce: str) -> web.Response:
    """Show what was stopped by mail, and the button that takes it back."""
    frame = _frame(request, followed)
    return page_response(
        render(
            TakeBackPage(
                frame=frame,
                look=_look(followed.brand, frame),
                subject=_subject(followed, scope, frame),
                nonce=nonce,
            )
        )
    )


def undone(request: web.Request, followed: Followed, scope: Scope, nonce: str) -> web.Response:
    """Say that it was taken back, and offer the way out again."""
    frame = _frame(request, followed)
    return page_response(
        render(
            UndonePage(
                frame=frame,
                look=_look(followed.brand, frame),
                subject=_subject(followed, scope, frame),
                nonce=nonce,
                opt_out_action=request.rel_url.raw_path.partition(UNDO_SUFFIX)[0],
            )
        )
    )


def damaged(request: web.Request) -> web.Response:
    """Say that the link cannot be read; 404 whether it was forged, cut or never was."""
    page = ProblemPage(frame=_frame(request, None), problem="damaged")
    return page_response(render(page), status=404)


def too_late(request: web.Request, followed: Followed, status: int) -> web.Response:
    """Say that the undo has expired; the opt-out stands."""
    frame = _frame(request, followed)
    look = _look(followed.brand, frame)
    return page_response(
        render(ProblemPage(frame=frame, problem="too_late", look=look)), status=status
    )


def try_again(
    request: web.Request, retry: Form | None, *, status: int = HTTPStatus.SERVICE_UNAVAILABLE
) -> web.Response:
    """Say that nothing was stored and that trying again helps, by the form that was sent."""
    page = ProblemPage(frame=_frame(request, None), problem="try_again", retry=retry)
    return page_response(render(page), status=status)


def _frame(request: web.Request, followed: Followed | None) -> Frame:
    wished = [
        request.query.get(LANGUAGE_PARAMETER),
        followed.language if followed else None,
        *accepted_languages(request.headers.get("Accept-Language")),
    ]
    if followed is None:
        return Frame(language=page_language(wished), languages=tuple(TEXTS))
    brand = followed.brand.brand
    support = brand.support
    return Frame(
        language=page_language([*wished, brand.default_language]),
        languages=brand.languages,
        support=support.email or support.url or support.phone or None,
    )


def _look(brand: AppliedBrand, frame: Frame) -> Look:
    known = brand.brand
    own = known.language([frame.language])
    return Look(
        name=known.name_in(own),
        logo=known.page.logo_text,
        accent=known.page.accent,
        names_language=own if own != frame.language else None,
    )


def _subject(followed: Followed, scope: Scope, frame: Frame) -> Subject:
    brand = followed.brand.brand
    covered: Covered = "brand" if scope.kind == "brand" else "channel"
    topic = brand.find_topic(scope.topic) if scope.kind == "topic" else None
    return Subject(
        covered="topic" if topic else covered,
        channel=followed.recipient.channel,
        masked_address=followed.masked_address,
        topic=topic.name_in(brand.language([frame.language])) if topic else "",
    )


def _day(brand: AppliedBrand, at: datetime) -> date:
    return at.astimezone(ZoneInfo(brand.brand.time_zone)).date()
