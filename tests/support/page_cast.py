"""One of each public page, in any language: what the page tests look at."""

from datetime import date

from prefsvc.web.pages import (
    ConfirmPage,
    DonePage,
    Form,
    Frame,
    HomePage,
    Look,
    ProblemPage,
    Subject,
    TakeBackPage,
    Undo,
    UndonePage,
)
from prefsvc.wording.texts import TEXTS

LANGUAGES = list(TEXTS)
LOOK = Look(name="Acme Studio", logo="ACME", accent="#9c3d54")
DEADLINE, EARLIER = date(2026, 11, 30), date(2026, 11, 1)
RECEIPT = "0199f3a2-7c1e-7b1f-9d6a-2f41c0a8e511"
UNDO = Undo(action="/u/one/undo", ticket="ticket-1", minutes=30)

TOPIC = Subject(
    covered="topic", channel="email", masked_address="a***@e***.com", topic="New arrivals"
)
TEXTS_BY_PHONE = Subject(covered="channel", channel="sms", masked_address="+1202•••••23")
BY_POST = Subject(covered="channel", channel="post", masked_address="•••12")
BRAND = Subject(covered="brand", channel="email", masked_address="a***@e***.com")


def frame(language="en", support="help@example.com"):
    return Frame(language=language, languages=LANGUAGES, support=support)


def confirm(language="en", *, subject=TOPIC, look=LOOK, deadline=DEADLINE):
    return ConfirmPage(
        frame=frame(language), look=look, subject=subject, nonce="nonce-1", deadline=deadline
    )


def done(language="en", *, subject=TOPIC, look=LOOK, undo=UNDO, nonce="nonce-1", **more):
    return DonePage(
        frame=frame(language),
        look=look,
        subject=subject,
        receipt=RECEIPT,
        nonce=nonce,
        deadline=DEADLINE,
        undo=undo,
        **more,
    )


def take_back(language="en", *, subject=TOPIC):
    return TakeBackPage(frame=frame(language), look=LOOK, subject=subject, nonce="nonce-1")


def undone(language="en", *, subject=TOPIC):
    return UndonePage(
        frame=frame(language), look=LOOK, subject=subject, nonce="nonce-1", opt_out_action="/u/one"
    )


def problem(language="en", kind="damaged", *, look=None, support=None, retry=None):
    return ProblemPage(frame=frame(language, support), problem=kind, look=look, retry=retry)


def every_page(language):
    """Return a page of every kind, by a name for it."""
    return {
        "confirm_topic": confirm(language),
        "confirm_sms": confirm(language, subject=TEXTS_BY_PHONE),
        "confirm_post": confirm(language, subject=BY_POST, deadline=None),
        "confirm_brand": confirm(language, subject=BRAND),
        "done_topic": done(language),
        "done_sms": done(language, subject=TEXTS_BY_PHONE),
        "done_brand": done(language, subject=BRAND, undo=None),
        "already": done(language, undo=None, already=True),
        "already_since": done(language, subject=BY_POST, undo=None, already=True, since=EARLIER),
        "take_back": take_back(language),
        "take_back_brand": take_back(language, subject=BRAND),
        "undone": undone(language),
        "undone_sms": undone(language, subject=TEXTS_BY_PHONE),
        "damaged": problem(language),
        "damaged_with_support": problem(language, look=LOOK, support="https://example.com/help"),
        "too_late": problem(language, "too_late", look=LOOK),
        "too_late_with_support": problem(language, "too_late", look=LOOK, support="+12025550123"),
        "try_again_get": problem(language, "try_again", look=LOOK),
        "try_again_post": problem(
            language,
            "try_again",
            look=LOOK,
            support="help@example.com",
            retry=Form.opt_out("nonce-1", everything=True),
        ),
        "home": HomePage(frame=Frame(language=language, languages=LANGUAGES)),
    }
