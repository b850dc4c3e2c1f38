"""The public pages: what a person sees who follows a link, presses the button, or undoes it.

Rule 1: a page only shows. Whatever changes something is a form that POSTs (RULES E-15, X-01, X-03).
Rule 2: one press is enough: nothing to type, nothing preselected, no second button that competes
with the first, nobody made to feel guilty (E-19; 11 CCR 7004; EDPB 03/2022).
Rule 3: no address is on a page but a masked one, and a page about a problem repeats nothing of the
link (E-22). Forms post to the page's own address unless told otherwise.

Build a view and `render` it; `html_page.page_response` makes the answer. Views hold plain values,
so pages are tested without a server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final, Literal

from markupsafe import Markup

from prefsvc.address import Channel
from prefsvc.web.contact import contact_link
from prefsvc.web.html_page import ENVIRONMENT, Page, style
from prefsvc.wording.texts import TEXTS, Fields, Texts, Words, page_language

NONCE_FIELD: Final = "nonce"
EVERYTHING_FIELD: Final = "everything"
TICKET_FIELD: Final = "ticket"
LANGUAGE_PARAMETER: Final = "lang"

Covered = Literal["topic", "channel", "brand"]
Problem = Literal["damaged", "too_late", "try_again"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a brand appears: its name and wordmark, and a colour for the one button.

    `names_language` is the language of the brand's and topic's names where it is not the page's,
    so that a screen reader pronounces them right (WCAG 3.1.2).
    """

    name: str
    logo: str = ""
    accent: str = "#1d4ed8"
    names_language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is around every page: its language, the others to choose from, and where help is.

    `support` is an email address, an https:// address or a phone number, and becomes a link.
    """

    language: str
    languages: Sequence[str] = ()
    support: str | None = None

    @property
    def texts(self) -> Texts:
        """Return the words of the page's language, or of the nearest that there is."""
        return TEXTS[page_language([self.language])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an opt-out covers, and for which address: one topic, its channel, or the whole brand."""

    covered: Covered
    channel: Channel
    masked_address: str
    topic: str = ""

    def __post_init__(self) -> None:
        """Hold what Scope holds: a topic's name exactly where a topic is covered."""
        if (self.covered == "topic") != bool(self.topic):
            raise ValueError("a topic's name belongs to a page about a topic, and only there")


@dataclass(frozen=True, slots=True)
class Form:
    """A form that is nothing but a button: where it posts to, and its hidden fields.

    Without an action it posts to the address of the page that it is on.
    """

    fields: tuple[tuple[str, str], ...]
    action: str = ""

    @classmethod
    def opt_out(cls, nonce: str, *, everything: bool = False, action: str = "") -> "Form":
        """Return the form that opts out: of what the link says, or of everything of the brand."""
        all_of_it = ((EVERYTHING_FIELD, "1"),) if everything else ()
        return cls(((NONCE_FIELD, nonce), *all_of_it), action)

    @classmethod
    def undo(cls, action: str, ticket: str) -> "Form":
        """Return the form that takes an opt-out back (RULES X-04)."""
        return cls(((TICKET_FIELD, ticket),), action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """The offer to take it back: where to, with which ticket, for how long."""

    action: str
    ticket: str
    minutes: int

    @property
    def form(self) -> Form:
        """Return the form that does it."""
        return Form.undo(self.action, self.ticket)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPage:
    """One button, and what pressing it does by when. Nothing has changed yet (RULES E-15)."""

    template: ClassVar = "confirm.html"
    heading: ClassVar = "confirm.heading"

    frame: Frame
    look: Look
    subject: Subject
    nonce: str
    deadline: date | None = None

    @property
    def form(self) -> Form:
        """Return the one button's form."""
        return Form.opt_out(self.nonce)


@dataclass(frozen=True, slots=True, kw_only=True)
class DonePage:
    """What was stopped, by when all have heard, what continues, and the ways on from here.

    `already` says that it had been stopped before, `since` when. `nonce` is for the button that
    stops everything, which a page about one topic offers.
    """

    template: ClassVar = "done.html"

    frame: Frame
    look: Look
    subject: Subject
    receipt: str
    nonce: str | None = None
    deadline: date | None = None
    undo: Undo | None = None
    already: bool = False
    since: date | None = None

    @property
    def heading(self) -> str:
        """Return the key of the heading."""
        return "already.heading" if self.already else "done.heading"

    @property
    def everything(self) -> Form | None:
        """Return the form that stops everything, where this stopped less."""
        if self.subject.covered != "topic" or self.nonce is None:
            return None
        return Form.opt_out(self.nonce, everything=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class UndonePage:
    """It was taken back; and again the way out, which posts to `opt_out_action`."""

    template: ClassVar = "undone.html"
    heading: ClassVar = "undone.heading"

    frame: Frame
    look: Look
    subject: Subject
    nonce: str
    opt_out_action: str

    @property
    def form(self) -> Form:
        """Return the form that opts out again."""
        return Form.opt_out(self.nonce, action=self.opt_out_action)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBackPage:
    """What was stopped by mail, and one button that takes it back. Nothing has changed yet."""

    template: ClassVar = "take_back.html"
    heading: ClassVar = "done.heading"

    frame: Frame
    look: Look
    subject: Subject
    nonce: str

    @property
    def form(self) -> Form:
        """Return the one button's form."""
        return Form(((NONCE_FIELD, self.nonce),))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemPage:
    """What went wrong and what to do. Shown without a brand where the link names none.

    `retry` repeats a POST that could not be stored; without it a page that may be tried again
    offers to load it again.
    """

    template: ClassVar = "problem.html"

    frame: Frame
    problem: Problem
    look: Look | None = None
    retry: Form | None = None

    @property
    def heading(self) -> str:
        """Return the key of the heading."""
        return f"{self.problem}.heading"


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """What this service is, for whoever comes to its root."""

    template: ClassVar = "home.html"
    heading: ClassVar = "home.heading"

    frame: Frame
    docs_path: str = "/docs"
    look: None = None


View = ConfirmPage | DonePage | TakeBackPage | UndonePage | ProblemPage | HomePage

_PLAIN_LOOK: Final = Look(name="", accent="#3f4a5a")


def render(view: View) -> Page:
    """Render a page as HTML."""
    look = view.look or _PLAIN_LOOK
    texts = view.frame.texts
    words = Words(texts, _channel(view), _fields(view, look, texts))
    heading = words(_heading_key(view))
    page_style = style("pages.css", look.accent)
    html = ENVIRONMENT.get_template(view.template).render(
        accent=look.accent,
        heading=heading,
        look=look,
        style=page_style.css,
        switch=_switch(view.frame, texts),
        t=words,
        texts=texts,
        title=_title(heading, look.name),
        view=view,
    )
    return Page(html, texts.language, page_style)


def _channel(view: View) -> Channel | None:
    return None if isinstance(view, ProblemPage | HomePage) else view.subject.channel


def _heading_key(view: View) -> str:
    if isinstance(view, ProblemPage | HomePage):
        return view.heading
    return f"{view.heading}.{view.subject.covered}"


def _fields(view: View, look: Look, texts: Texts) -> Fields:
    """Return what texts may name; a text that names what its page does not have is a fault."""
    fields: dict[str, Markup] = {"brand": _name(look.name, look)}
    if view.frame.support:
        fields["contact"] = contact_link(view.frame.support)
    if isinstance(view, ConfirmPage | DonePage | TakeBackPage | UndonePage):
        fields["topic"] = _name(view.subject.topic, look)
        fields["address"] = _address(view.subject.masked_address)
    if isinstance(view, ConfirmPage | DonePage) and view.deadline:
        fields["deadline"] = texts.day(view.deadline)
    if isinstance(view, DonePage) and view.since:
        fields["since"] = texts.day(view.since)
    if isinstance(view, DonePage) and view.undo:
        fields["minutes"] = Markup("{}").format(view.undo.minutes)
    return fields


def _name(name: str, look: Look) -> Markup:
    """Mark up a name so that its direction and language stay its own."""
    if look.names_language:
        return Markup('<bdi lang="{}">{}</bdi>').format(look.names_language, name)
    return Markup("<bdi>{}</bdi>").format(name)


def _address(masked: str) -> Markup:
    return Markup('<bdi dir="ltr" class="address">{}</bdi>').format(masked)


def _title(heading: Markup, brand_name: str) -> str:
    said = heading.striptags()
    return said if not brand_name or brand_name in said else f"{said} · {brand_name}"


def _switch(frame: Frame, current: Texts) -> list[Texts]:
    """Return the languages to choose from; none where there is no choice."""
    codes = dict.fromkeys([*frame.languages, current.language])
    offered = [TEXTS[code] for code in codes if code in TEXTS]
    return offered if len(offered) > 1 else []
