"""What the columns of a list are called: by us, and by the programs that lists come from. Pure.

A name is compared without its case, spaces and signs. Of several columns of one meaning the one
that stands first below is taken, as it says more.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from prefsvc.address import Channel
from prefsvc.errors import UnreadableImport

Column: TypeAlias = Literal[
    "address", "email", "phone", "sha256", "channel", "scope", "topic", "status", "stopped",
    "consented", "reason", "source", "said_at", "received_at", "country", "reference",
]  # fmt: skip
COLUMNS: Final[tuple[Column, ...]] = get_args(Column)

_NAMES: Final[Mapping[Column, tuple[str, ...]]] = {
    "address": ("address", "recipient", "contact", "contact_id", "identifier", "value"),
    # Mailgun's, SendGrid's, Brevo's; Mailchimp's and Postmark's; SES'.
    "email": (
        "email", "e_mail", "email_address", "emailaddress", "e_mail_address", "mail", "subscriber",
        "recipient_email", "contact_email", "e_mail_adresse", "adresse_email", "correo",
    ),
    "phone": (
        "phone", "phone_number", "phonenumber", "mobile", "mobile_number", "mobile_phone", "msisdn",
        "sms", "cell", "cell_phone", "telephone", "sms_phone_number", "from", "telefon",
    ),
    "sha256": (
        "sha256", "sha_256", "hash", "email_sha256", "sha256_email", "phone_sha256",
        "address_sha256",
    ),
    "channel": ("channel", "medium"),
    "scope": ("scope",),
    "topic": (
        "topic", "group", "group_name", "tag", "list", "list_name", "message_stream", "stream",
        "category", "topic_name", "subscription",
    ),
    "status": (
        "status", "subscription_status", "subscription_state", "status_state", "consent",
        "email_marketing_consent", "sms_marketing_consent", "email_consent", "sms_consent",
        "member_status", "act", "event", "effect", "code",
    ),
    "stopped": (
        "unsubscribed", "opted_out", "opt_out", "optout", "emailblacklisted", "email_blacklisted",
        "smsblacklisted", "sms_blacklisted", "blacklisted", "blocklisted", "suppressed",
        "is_suppressed",
        "do_not_email", "do_not_contact", "do_not_text", "has_opted_out_of_email", "email_opt_out",
        "sms_opt_out", "has_opted_out",
    ),
    "consented": (
        "subscribed", "is_subscribed", "opted_in", "opt_in", "optin", "active", "is_active",
        "accepts_marketing", "accepts_email_marketing", "accepts_sms_marketing", "email_opt_in",
        "sms_opt_in", "newsletter",
    ),
    "reason": (
        "reason", "suppression_reason", "suppressionreason", "email_suppressions",
        "email_suppression_reason", "reason_code", "unsub_reason", "unsubscribe_reason", "error",
        "bounce_reason",
    ),
    "source": (
        "source", "origin", "method", "unsub_campaign_title", "clean_campaign_title", "campaign",
    ),
    # Those that speak of the opt-out itself first: they say that there was one (OF_OPT_OUTS).
    "said_at": (
        "said_at", "sent_at", "unsub_time", "clean_time", "unsubscribed_at", "unsubscribe_time",
        "unsubscribe_date", "unsubscribed_date", "date_unsubscribed", "opted_out_at",
        "opt_out_time", "opt_out_date", "optout_date", "suppressed_at", "blocked_at", "blockedat",
        "email_suppressions_timestamp", "email_suppression_timestamp", "date_of_consent", "since",
        "created_at", "createdat", "created", "created_time", "timestamp", "time", "date",
        "changed_at", "last_update_time", "lastupdatetime", "last_changed", "date_added",
        "added_at", "event_time",
    ),
    "received_at": ("received_at",),
    "country": ("country", "country_code", "cc"),
    "reference": (
        "reference", "ref", "event_id", "sg_event_id", "opt_out_id", "message_sid", "messagesid",
        "correlation_id", "euid", "leid", "id",
    ),
}  # fmt: skip

OF_OPT_OUTS: Final = frozenset(_NAMES["said_at"][: _NAMES["said_at"].index("date_of_consent")][2:])
"""Columns that say when somebody opted out; where one is empty, nobody did."""
OF_SUBSCRIBERS: Final = frozenset({"optin_time", "confirm_time", "subscribed_at", "signup_date"})
"""Columns that lists of subscribers have, too."""

_OTHER: Final = re.compile(r"[\W_]+")


def plain(text: str) -> str:
    """Return a name or word as it is compared."""
    return _OTHER.sub("_", text.casefold()).strip("_")


_MEANINGS: Final = {
    name: (column, rank) for column, names in _NAMES.items() for rank, name in enumerate(names)
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each of our columns stands among the file's, by number or by name."""

    at: Mapping[Column, int]
    says_when: bool = False
    """Whether the moment is in a column of opt-outs alone."""

    def has(self, column: Column) -> bool:
        """Say whether the file has it."""
        return column in self.at


def find(
    header: Sequence[str], given: Mapping[Column, str], *, channel: Channel | None, everybody: bool
) -> Columns:
    """Find our columns in a header; `given` says what some are called, or, empty, not there.

    Refuse a header without any address, with two columns of the name that is taken, and one that
    only a list of subscribers has, unless `everybody` in it opted out.
    """
    names = [plain(name) for name in header]
    at: dict[Column, int] = {}
    for column in COLUMNS:
        name = plain(given[column]) if column in given else _best(column, names, channel)
        if name:
            at[column] = _only(names, name, column)
    if not at.keys() & _WHOM:
        raise UnreadableImport(_NO_ADDRESS, pointer="columns")
    says_when = "said_at" in at and names[at["said_at"]] in OF_OPT_OUTS
    is_told = everybody or says_when or at.keys() & {"status", "stopped", "consented"}
    if not is_told and OF_SUBSCRIBERS.intersection(names):
        raise UnreadableImport(_SUBSCRIBERS, pointer="all_opted_out")
    return Columns(at, says_when and not everybody)


def _best(column: Column, names: Sequence[str], channel: Channel | None) -> str:
    """Return the file's name for a column that says most; empty if it has none."""
    found = {
        name
        for name in names
        if name in _MEANINGS and _MEANINGS[name][0] == column and not _is_of_another(name, channel)
    }
    return min(found, key=lambda name: _MEANINGS[name][1], default="")


def _is_of_another(name: str, channel: Channel | None) -> bool:
    """Say whether a column is about another channel: `sms_consent` in a list of mail opt-outs."""
    other = {"email": "sms", "sms": "email", "whatsapp": "email"}.get(channel or "")
    is_whom = _MEANINGS[name][0] in _WHOM
    return other is not None and not is_whom and name.startswith(other)


def _only(names: Sequence[str], name: str, column: Column) -> int:
    count = names.count(name)
    if count == 1:
        return names.index(name)
    if count == 0:
        raise UnreadableImport(f"There is no column of the name that was given for {column}.")
    raise UnreadableImport(
        f"Two columns have one name, and both would be the {column}: give each its own."
    )


_WHOM: Final[frozenset[Column]] = frozenset({"address", "email", "phone", "sha256"})
_NO_ADDRESS: Final = (
    "The first line names no column with addresses. Say which it is, as --column address=E-Mail; "
    "if the file has no names of columns, give them, as --header address,said_at."
)
_SUBSCRIBERS: Final = (
    "This looks like a list of subscribers: it says when they joined and nowhere that they left. "
    "If everybody in it opted out, say so with --all-opted-out."
)
