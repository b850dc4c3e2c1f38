"""Write the mail of a receipt, as an automatic answer must be (RFC 3834; E-33)."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import Policy
from email.utils import format_datetime
from typing import Self
from zoneinfo import ZoneInfo

from prefsvc import links, receipt_words, receipts, tickets
from prefsvc.brands import AppliedBrand
from prefsvc.deliveries import Delivery
from prefsvc.doors import Service
from prefsvc.links import Link
from prefsvc.receipt_words import Told, one_line
from prefsvc.receipts import Receipt


async def compose(service: Service, brand_id: int, delivery: Delivery) -> EmailMessage | None:
    """Write the mail of a delivery as it goes out now; None where there is nothing to tell."""
    brand = service.book.by_id.get(brand_id)
    if brand is None or brand.retired_at or not brand.brand.mail.has_receipts:
        return None
    async with service.database.read() as tx:
        receipt = await receipts.read(tx, service.vault, brand, delivery.notice.data)
    return message(service, brand, delivery, receipt) if receipt else None


def message(
    service: Service, brand: AppliedBrand, delivery: Delivery, receipt: Receipt
) -> EmailMessage:
    """Write the mail; it is the same in every attempt, its Message-ID too.

    Nothing of the mail that it answers is in it but that one's ids: whoever wrote that may have
    wanted it to be read by somebody else (RFC 3834 §3.1.6).
    """
    told = _told(service, brand, receipt, delivery.notice.occurred_at)
    subject, text = receipt_words.mail_of(told)
    sender = brand.brand.mail.sender
    mail = EmailMessage()
    mail["From"] = Address(one_line(told.brand), addr_spec=sender)
    mail["To"] = receipt.address
    mail["Subject"] = subject
    mail["Date"] = format_datetime(delivery.notice.occurred_at)
    mail["Message-ID"] = f"<{delivery.delivery_id}@{sender.rpartition('@')[2]}>"
    if receipt.message_id:
        mail["In-Reply-To"] = _Ids.of("In-Reply-To", [receipt.message_id])
        mail["References"] = _Ids.of("References", [*receipt.references, receipt.message_id])
    mail["Auto-Submitted"] = "auto-replied"  # RFC 3834 §3.1.7: no program answers it
    mail["X-Auto-Response-Suppress"] = "All"  # the same for Exchange, which asks for its own
    mail.set_content(text)
    mail["Content-Language"] = receipt.language  # of the content, so it is set after it
    return mail


class _Ids(str):
    """A field of message ids, a line for each: Python's email package encodes long words.

    It lets a value that has a `name` fold itself, as prefsvc.links.ListUnsubscribe does.
    """

    __slots__ = ("name",)
    name: str

    @classmethod
    def of(cls, name: str, ids: Sequence[str]) -> Self:
        """Make the field's value."""
        made = cls(" ".join(ids))
        made.name = name
        return made

    def fold(self, *, policy: Policy) -> str:
        """Write the whole field."""
        return f"{self.name}: {f'{policy.linesep} '.join(self.split(' '))}{policy.linesep}"


def _told(service: Service, brand: AppliedBrand, receipt: Receipt, answered_at: datetime) -> Told:
    known, scope = brand.brand, receipt.scope
    own = known.language([receipt.language])
    topic = known.find_topic(scope.topic) if scope.kind == "topic" else None
    until = answered_at + service.settings.receipt_undo
    return Told(
        language=receipt.language,
        brand=known.name_in(own),
        covered="topic" if topic else "brand" if scope.kind == "brand" else "channel",
        topic=topic.name_in(own) if topic else "",
        deadline=_day(brand, receipt.deadline_at) if receipt.deadline_at else None,
        since=_day(brand, receipt.since) if receipt.since else None,
        undo_url=_undo_url(service, brand, receipt, until) if receipt.offers_undo else "",
        undo_until=_day(brand, until) if receipt.offers_undo else None,
        contact=known.support.email or known.support.url or known.support.phone,
        number=str(receipt.event_id),
    )


def _day(brand: AppliedBrand, at: datetime) -> date:
    return at.astimezone(ZoneInfo(brand.brand.time_zone)).date()


def _undo_url(service: Service, brand: AppliedBrand, receipt: Receipt, until: datetime) -> str:
    link = Link("email", receipt.address, topic=receipt.scope.topic or None)
    token = links.seal(service.book.keyring.key(brand.slug), link)
    # A day more, so that it still works in the evening of the day that the mail names.
    ticket = tickets.undo_ticket(
        service.vault.nonce_key, token, receipt.event_id, until + timedelta(days=1), of="mail"
    )
    return f"{links.unsubscribe_url(service.settings.origin, token)}/undo/{ticket}"
