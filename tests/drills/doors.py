"""Every door of the service, and how the program that stands before it tries again.

Each door is one function that makes its request and returns the status of the answer, of HTTP or of
SMTP; an answer of the class 2xx acknowledges in both.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import aiosmtplib

from prefsvc.links import ONE_CLICK
from prefsvc.suppression import SAME_WORD
from tests.drills.caller import Caller
from tests.drills.people import (
    WRITTEN_TO,
    Person,
    domain,
    mailboxes,
    messaging_profile,
    messaging_service,
    telephones,
)
from tests.mail_events.providers import basic, unsubscribe
from tests.sms import telnyx_client, twilio_client
from tests.support.html_reading import read_html

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
RAW_MAIL = {"Content-Type": "message/rfc822"}


@dataclass(frozen=True, slots=True)
class Client:
    """How often a door's real client tries; `waits` says that it does so later, and not at once."""

    tries: int
    waits: bool = False
    gives_up_after: timedelta = timedelta.max


GMAIL = Client(1)
"""Whether it tries again nobody knows: the drill lets it not."""
A_PERSON = Client(2)
"""Presses the button again that the page offers."""
TWILIO = Client(2)
"""The webhook, then the fallback URL (RULES S-08)."""
TELNYX = Client(3)
A_QUEUE = Client(50, waits=True)
"""Mail servers, mail providers and programs keep what was not taken and come back."""
KEYLESS = Client(50, waits=True, gives_up_after=SAME_WORD / 2)
"""Says nothing by which a retry is known: it must come before it would be another word."""


@dataclass(slots=True)
class OptOut:
    """What a person asks for at a door, and what came of it."""

    door: "Door"
    person: Person
    token: str = field(repr=False)
    number: int
    begun_at: datetime | None = None
    acknowledged_at: datetime | None = None
    tries: int = 0
    was_repeated: bool = False
    """Whether it came a second time though it had been acknowledged."""

    @property
    def name(self) -> str:
        """The same in every try, and nobody else's."""
        return f"{self.door.name}-{self.number}"

    @property
    def is_given_up(self) -> bool:
        """Whether its client does not come back any more, for it is too late."""
        allowed = self.door.client.gives_up_after
        return self.begun_at is not None and datetime.now(UTC) - self.begun_at > allowed


Knock = Callable[[Caller, OptOut], Awaitable[int]]


@dataclass(slots=True)
class Door:
    """A way in: who comes, how they knock, and what the ledger then says of it."""

    name: str
    source: str
    knock: Knock
    client: Client
    people: Iterator[Person]
    weight: int = 4
    tokens: str = ""
    """Which form of token is needed; none where it is empty."""
    minted: Sequence[tuple[Person, str]] = ()

    def opt_outs(self) -> Iterator[OptOut]:
        """Return one after another."""
        pairs = self.minted if self.tokens else ((person, "") for person in self.people)
        for number, (person, token) in enumerate(pairs):
            yield OptOut(self, person, token, number)


def all_doors() -> list[Door]:
    """Return every door, each with people of its own."""

    def door(name: str, source: str, knock: Knock, client: Client, **more: object) -> Door:
        return Door(name, source, knock, client, **({"people": mailboxes(name)} | more))

    return [
        door("one-click-sealed", "one_click", one_click, GMAIL, weight=8, tokens="sealed"),
        door("one-click-short", "one_click", one_click, GMAIL, tokens="short"),
        door("page", "link", page, A_PERSON, tokens="sealed"),
        door("twilio", "sms_reply", twilio, TWILIO, weight=2, people=telephones(0, 2)),
        door("telnyx", "sms_reply", telnyx, TELNYX, weight=2, people=telephones(1, 2)),
        door("smtp-words", "mail_reply_unproven", smtp_words, A_QUEUE, weight=2),
        door("smtp-token", "mailbox", smtp_token, A_QUEUE, weight=2, tokens="short"),
        door("postmark", "provider_event", postmark, A_QUEUE),
        door("api", "api", api, KEYLESS),
        door("api-with-key", "api", api_with_key, A_QUEUE),
        door("raw-mail", "mail_reply_unproven", raw_mail, A_QUEUE, weight=2),
    ]


async def mint(caller: Caller, doors: Sequence[Door], count: int) -> None:
    """Give the doors that need tokens so many of them; afterwards there are no more."""
    for door in doors:
        if door.tokens:
            door.minted = await _minted(caller, door, count)


async def _minted(caller: Caller, door: Door, count: int) -> list[tuple[Person, str]]:
    people = [next(door.people) for _ in range(count)]
    tokens = {}
    for brand in sorted({person.brand for person in people}):
        of_brand = [person for person in people if person.brand == brand]
        asked = [json.dumps({"address": one.address, "form": door.tokens}) for one in of_brand]
        answer = await caller.ask(f"/v1/brands/{brand}/links", "\n".join(asked).encode())
        made = [json.loads(line)["token"] for line in answer.splitlines()]
        tokens |= dict(zip(of_brand, made, strict=True))
    return [(person, tokens[person]) for person in people]


async def one_click(caller: Caller, one: OptOut) -> int:
    """Post as Gmail does (RFC 8058)."""
    return await caller.post(f"/u/{one.token}", ONE_CLICK.encode(), FORM)


async def page(caller: Caller, one: OptOut) -> int:
    """Open the page and press its one button."""
    status, html = await caller.get(f"/u/{one.token}")
    if status != 200:
        return status
    form = read_html(html).one("form")
    return await caller.post(f"/u/{one.token}", urlencode(form.hidden_fields).encode(), FORM)


async def twilio(caller: Caller, one: OptOut) -> int:
    """Post a STOP, signed."""
    form = twilio_client.sms(
        "STOP",
        from_=one.person.address,
        to=WRITTEN_TO,
        MessageSid=f"SM{one.number:032x}",
        MessagingServiceSid=messaging_service(one.person.brand),
    )
    path = "/hooks/twilio/messages"
    headers = twilio_client.signed(caller.house.origin + path, form, caller.house.twilio_token)
    return await caller.post(path, urlencode(form).encode(), headers | FORM)


async def telnyx(caller: Caller, one: OptOut) -> int:
    """Post a STOP, signed anew in each attempt."""
    payload = telnyx_client.message(
        "STOP",
        from_=one.person.address,
        to=WRITTEN_TO,
        id=one.name,
        messaging_profile_id=messaging_profile(one.person.brand),
    )
    body = telnyx_client.event("message.received", payload, attempt=one.tries)
    return await caller.post(telnyx_client.HOOK, body, telnyx_client.signed(body))


async def smtp_words(caller: Caller, one: OptOut) -> int:
    """Hand over a mail that asks for it in words."""
    return await _hand_over(caller, one, f"unsubscribe@{domain(one.person.brand)}")


async def smtp_token(caller: Caller, one: OptOut) -> int:
    """Hand over a mail to the address that a List-Unsubscribe names."""
    return await _hand_over(caller, one, f"u+{one.token}@{domain(one.person.brand)}")


async def _hand_over(caller: Caller, one: OptOut, to: str) -> int:
    try:
        return await caller.hand_over(_mail(one, to), from_=one.person.address, to=to)
    except aiosmtplib.SMTPRecipientsRefused as refused:
        return refused.recipients[0].code
    except aiosmtplib.SMTPResponseException as refused:
        return refused.code


async def postmark(caller: Caller, one: OptOut) -> int:
    """Post what Postmark tells of an unsubscribe: in every try the same, to the second."""
    assert one.begun_at is not None
    event = unsubscribe("postmark", one.person.address, at=one.begun_at.timestamp())
    event["MessageID"] = one.name
    path = f"/hooks/mail/postmark/postmark-of-{one.person.brand}"
    return await caller.post(path, json.dumps(event).encode(), basic(caller.house.password))


async def api(caller: Caller, one: OptOut) -> int:
    """Post an opt-out as a program does that does not know of keys."""
    return await _opt_out(caller, one, {})


async def api_with_key(caller: Caller, one: OptOut) -> int:
    """Post an opt-out under a key, the same in every try."""
    return await _opt_out(caller, one, {"Idempotency-Key": one.name})


async def _opt_out(caller: Caller, one: OptOut, headers: dict[str, str]) -> int:
    body = {"channel": one.person.channel, "address": one.person.address}
    path = f"/v1/brands/{one.person.brand}/opt-outs"
    return await caller.post(path, json.dumps(body).encode(), caller.house.headers | headers)


async def raw_mail(caller: Caller, one: OptOut) -> int:
    """Post a mail as a program that receives it does."""
    to = f"unsubscribe@{domain(one.person.brand)}"
    path = f"/v1/brands/{one.person.brand}/mails?recipient={to}"
    return await caller.post(path, _mail(one, to), caller.house.headers | RAW_MAIL)


def _mail(one: OptOut, to: str) -> bytes:
    return (
        f"From: {one.person.address}\r\nTo: {to}\r\nSubject: Remove From Mailing List\r\n"
        f"Date: Mon, 02 Mar 2026 09:00:00 +0000\r\nMessage-ID: <{one.name}@example.com>\r\n\r\n"
    ).encode()
