"""The corpora of mails as raw messages, with what each may be read as."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.unit.mail.letters import letter

REQUESTS = (
    "unsubscribe",
    "Please unsubscribe me from this list.",
    "STOP",
    "remove me from your mailing list",
)
# In these replies the answered message is pasted below without any marks.
PASTED = re.compile(
    r"email_(?:2_[123]|9|1[0-8]|22|customer_quote_header_[23]|w10_mail|headers_no_delimiter|gmail"
    r"|unquoted_reply)\.txt"
)
NO_QUOTATION = re.compile(r"unwrapped")


@dataclass(frozen=True)
class Sample:
    """A message, and the outcomes that are right for it."""

    name: str
    raw: bytes
    right: tuple[str, ...]


def sets(corpora) -> dict[str, list[Sample]]:
    """Return every set of messages by its name."""
    return {
        "bounces, hard": list(_bounces(corpora, hard=True)),
        "bounces, for another reason": list(_bounces(corpora, hard=False)),
        "complaints": list(_complaints(corpora)),
        "automatic replies": list(_reasoned(corpora, "vacation", ("ignored",))),
        "not bounces": list(_not_bounces(corpora)),
        "replies, request quoted with >": list(_replies(corpora, _quoted)),
        "replies, request in what is pasted": list(_replies(corpora, _pasted)),
        "replies, request in quoted HTML": list(_replies(corpora, _in_html)),
        "replies, request by the person": list(_requests(corpora)),
    }


def _expected(corpora) -> Iterator[tuple[str, bytes, list[dict]]]:
    folder = corpora / "email/bounces"
    expected = json.loads((folder / "sisimai_expected.json").read_text("utf-8"))
    for name, entries in expected.items():
        yield name, (folder / "sisimai" / name).read_bytes(), entries


def _bounces(corpora, *, hard) -> Iterator[Sample]:
    for name, raw, entries in _expected(corpora):
        reasons = {entry["reason"] for entry in entries}
        is_hard = any(entry["hardbounce"] for entry in entries)
        if is_hard == hard and reasons.isdisjoint({"feedback", "vacation"}):
            yield Sample(name, raw, ("undeliverable",) if hard else ("ignored",))


def _complaints(corpora) -> Iterator[Sample]:
    right = {"abuse": "complaint", "opt-out": "opt_out", "auth-failure": "ignored"}
    for name, raw, [entry, *_] in _expected(corpora):
        if entry["reason"] == "feedback":
            yield Sample(name, raw, (right[entry["feedbacktype"]],))


def _reasoned(corpora, reason, right) -> Iterator[Sample]:
    for name, raw, entries in _expected(corpora):
        if any(entry["reason"] == reason for entry in entries):
            yield Sample(name, raw, right)


def _not_bounces(corpora) -> Iterator[Sample]:
    for file in sorted((corpora / "email/bounces/sisimai_not_bounce").iterdir()):
        yield Sample(file.name, file.read_bytes(), ("ignored", "ask"))


def _replies(corpora, build) -> Iterator[Sample]:
    for file in sorted((corpora / "email/replies").glob("*/*")):
        text = file.read_text("utf-8", "replace")
        for request in REQUESTS:
            if raw := build(file.name, text, request):
                yield Sample(f"{file.parent.name}/{file.name}: {request}", raw, ("ignored",))


def _quoted(name, text, request):
    if name.endswith(".html") or not re.search("^>", text, re.MULTILINE):
        return None
    text = re.sub(r"^(>+ ?)(.*)$", rf"\1\2\n\1{request}", text, flags=re.MULTILINE)
    return text.encode() if name.endswith(".eml") else letter(text, "Re: News")


def _pasted(name, text, request):
    return letter(f"{text}\n\n{request}\n", "Re: News") if PASTED.fullmatch(name) else None


def _in_html(name, text, request):
    if not name.endswith(".html") or NO_QUOTATION.search(name):
        return None
    ends = (text.rfind(mark) for mark in ("</blockquote>", "</body>", "</BODY>"))
    at = next((end for end in ends if end >= 0), len(text))
    return letter(f"{text[:at]}<p>{request}</p>{text[at:]}", "Re: News", kind="text/html")


def _requests(corpora) -> Iterator[Sample]:
    for file in sorted((corpora / "email/replies").glob("*/*")):
        text = file.read_text("utf-8", "replace")
        name = f"{file.parent.name}/{file.name}"
        if file.suffix == ".html":
            start = re.search("<body[^>]*>", text, re.IGNORECASE)
            at = start.end() if start else 0
            text = f"{text[:at]}<div>Please unsubscribe me</div>{text[at:]}"
            yield Sample(name, letter(text, "Re: News", kind="text/html"), ("opt_out",))
        elif file.suffix != ".eml":
            text = f"Please unsubscribe me\n\n{text}"
            yield Sample(name, letter(text, "Re: News"), ("opt_out",))
