"""What became of a message, as Twilio posts it, read from its form (RULES S-01).

Refused only where it cannot be attributed; the person's address never shows in a repr.
"""

from dataclasses import dataclass, field
from typing import Self

from multidict import MultiMapping

from prefsvc.address import Address
from prefsvc.errors import InvalidAddress
from prefsvc.sms.form import message_sid_of, names_of, optional, parted, required

# Where addresses are phone numbers; on others (messenger) an id may look like somebody's number.
_NUMBERED_NETWORKS = frozenset({"rcs", "sms", "whatsapp"})


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """How one message from a brand to a person fared."""

    message_sid: str
    account_sid: str | None
    messaging_service_sid: str | None
    network: str
    from_: str | None
    to: str = field(repr=False)
    status: str | None
    error_code: str | None
    parameter_names: tuple[str, ...] = field(repr=False)

    @classmethod
    def from_form(cls, form: MultiMapping[str]) -> Self:
        """Read what Twilio posted, or refuse what names no message, nobody or no brand."""
        network, to = parted(required(form, "To"))
        service = optional(form, "MessagingServiceSid")
        from_ = optional(form, "From") if service else required(form, "From")
        return cls(
            message_sid=message_sid_of(form),
            account_sid=optional(form, "AccountSid"),
            messaging_service_sid=service,
            network=network,
            from_=parted(from_)[1] if from_ else None,
            to=to,
            status=optional(form, "MessageStatus"),
            error_code=optional(form, "ErrorCode"),
            parameter_names=names_of(form),
        )

    def address(self) -> Address:
        """Return the person's number, or refuse what is nobody's."""
        try:
            if self.network in _NUMBERED_NETWORKS:
                return Address.for_opt_out("sms", self.to)
        except InvalidAddress:
            pass
        raise InvalidAddress(
            "To is a short code, a name or an id, and nobody's phone number.", pointer="To"
        )

    def evidence(self) -> dict[str, str | list[str] | None]:
        """Return what proves it; the person's address is not in it (InboundMessage.evidence)."""
        return {
            "provider": "twilio",
            "message_sid": self.message_sid,
            "account_sid": self.account_sid,
            "messaging_service_sid": self.messaging_service_sid,
            "network": self.network,
            "from": self.from_,
            "message_status": self.status,
            "error_code": self.error_code,
            "parameter_names": list(self.parameter_names),
        }
