"""What became of a message to a person, and what an error says of them (S-28, S-40).

The person's address never shows in a repr, and so in no log line.
"""

from dataclasses import dataclass, field

from prefsvc.address import Address
from prefsvc.errors import InvalidAddress
from prefsvc.sms.message import Provider
from prefsvc.sms.network import NUMBERED
from prefsvc.suppression import Reason


@dataclass(frozen=True, slots=True)
class SendError:
    """One error code of a provider, the reason to suppress that it is, and the rule that says so.

    Most errors are about the message, the network or the hour; those are in no provider's table.
    """

    code: str
    reason: Reason
    rule: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatus:
    """How one message from a brand to a person fared."""

    provider: Provider
    message_id: str
    account: str | None = None
    sender_pool: str | None = None
    network: str = "sms"
    from_: str | None
    to: str = field(repr=False)
    status: str | None
    error_code: str | None
    parameter_names: tuple[str, ...] = field(default=(), repr=False)

    def address(self) -> Address:
        """Return the person's number, or refuse what is nobody's."""
        try:
            if self.network in NUMBERED:
                return Address.for_opt_out(NUMBERED[self.network], self.to)
        except InvalidAddress:
            pass
        raise InvalidAddress(
            "To is a short code, a name or an id, and nobody's phone number.", pointer="To"
        )

    def evidence(self) -> dict[str, str | list[str] | None]:
        """Return what proves it; the person's address is not in it (InboundMessage.evidence)."""
        return {
            "provider": self.provider,
            "message_id": self.message_id,
            "account": self.account,
            "sender_pool": self.sender_pool,
            "network": self.network,
            "from": self.from_,
            "message_status": self.status,
            "error_code": self.error_code,
            "parameter_names": list(self.parameter_names),
        }
