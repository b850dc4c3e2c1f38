"""What the words of a list mean: a status, a reason, a channel, a scope. Pure.

A word that says that somebody may be written to is never an opt-in here, and never an opt-out: its
row is refused. So is one whose status nobody knows; an unknown *reason* beside it is only told on.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from prefsvc.address import Channel
from prefsvc.bounce import of_permanent
from prefsvc.imports.columns import plain
from prefsvc.suppression import Reason, ScopeKind

Doubt: TypeAlias = Literal["not_an_opt_out", "temporary_failure", "unknown_status"]

_STOPS: Final = """
    unsubscribed unsubscribe unsub unsubscribes unsubscribed_user opt_out opted_out optout optedout
    opt_outs opt_out_message stop stopped stopall stop_all end quit cancel cancelled revoke revoked
    withdrawn removed remove suppressed user_suppressed usersuppressed manual manual_suppression
    manualsuppression blocklisted blacklisted blocklist blacklist admin_blocked adminblocked
    do_not_contact do_not_email do_not_text dnc unsubscribed_via_ma unsubscribedviama
    unsubscribed_via_email unsubscribedviaemail unsubscribed_via_api unsubscribedviaapi
    group_unsubscribe list_unsubscribe one_click keyword_stop added abgemeldet ausgetragen
    desinscrit désinscrit baja cancellato afgemeld
"""
_COMPLAINTS: Final = """
    complaint complaints complained spam spam_report spam_reports spamreport spam_complaint
    spamcomplaint abuse flagged_as_spam contactflaggedasspam contact_flagged_as_spam
"""
_UNDELIVERABLE: Final = """
    bounce bounced bounces hard_bounce hardbounce hard_bounced cleaned invalid invalid_email
    invalid_emails invalid_address undeliverable hard
"""
_NO_OPT_OUT: Final = """
    subscribed subscribe resubscribed resubscribe re_subscribe re_subscribed group_resubscribe
    active opt_in opted_in optin optedin opt_in_message double_opt_in confirmed unconfirmed
    consented consent granted start started unstop lifted resumed never_subscribed neversubscribed
    non_subscribed nonsubscribed not_subscribed pending transactional not_specified unsuppressed
    enabled deliverable valid
"""
_TEMPORARY: Final = """
    soft_bounce softbounce soft soft_bounced deferred temporary blocked block mailbox_full
"""

MEANINGS: Final[Mapping[str, Reason | Doubt]] = {
    **dict.fromkeys(_STOPS.split(), "opt_out"),
    **dict.fromkeys(_COMPLAINTS.split(), "complaint"),
    **dict.fromkeys(_UNDELIVERABLE.split(), "undeliverable"),
    "deactivated": "deactivated",
    "restriction": "restriction",
    "restricted": "restriction",
    "reassigned": "reassigned",
    # What was said of another spelling of the number: each register derives that by itself.
    "alias": "not_an_opt_out",
    **dict.fromkeys(_NO_OPT_OUT.split(), "not_an_opt_out"),
    **dict.fromkeys(_TEMPORARY.split(), "temporary_failure"),
}
DOUBTS: Final = frozenset({"not_an_opt_out", "temporary_failure", "unknown_status"})
_YES: Final = frozenset({"true", "t", "yes", "y", "1", "x", "ja", "oui", "si", "on"})
_NO: Final = frozenset({"false", "f", "no", "n", "0", "nein", "non", "off", ""})
_CHANNELS: Final[Mapping[str, Channel]] = {
    **dict.fromkeys(("email", "e_mail", "mail", "emails"), "email"),
    **dict.fromkeys(("sms", "text", "texts", "mms", "rcs", "phone", "mobile"), "sms"),
    "whatsapp": "whatsapp",
    **dict.fromkeys(("post", "letter", "direct_mail", "postal"), "post"),
}
_SCOPES: Final[Mapping[str, ScopeKind]] = {
    "topic": "topic",
    "channel": "channel",
    **dict.fromkeys(("brand", "all", "global", "everything"), "brand"),
    **dict.fromkeys(
        ("third_party_sharing", "sharing", "do_not_sell", "do_not_share"), "third_party_sharing"
    ),
}


def meaning(status: str, reason: str, default: Reason) -> Reason | Doubt:
    """Say why a row suppresses, or why it does not, by its status and its reason."""
    if "." in status or status.isdigit():  # SendGrid's and Mailgun's bounces: 5.1.1, 550
        return _of_failure(status, reason)
    by_reason = MEANINGS.get(plain(reason)) if reason else None
    if not status:
        return by_reason or default
    by_status = MEANINGS.get(plain(status), "unknown_status")
    if by_status in DOUBTS or by_reason is None:
        return default if by_status == "opt_out" and default != "opt_out" else by_status
    # That somebody is suppressed is one word for many reasons; the reason itself says more.
    return by_reason


def _of_failure(status: str, reason: str) -> Reason | Doubt:
    if status.isdigit():  # of SMTP: 4xx passes, 5xx may say more in its text
        kind = "bounce_soft" if status[:1] != "5" else of_permanent(reason)
    else:
        kind = of_permanent(status, reason)
    return "undeliverable" if kind == "bounce_hard" else "temporary_failure"


def is_yes(text: str) -> bool | None:
    """Read a flag; None where it is something else."""
    word = plain(text)
    return True if word in _YES else False if word in _NO else None


def channel_of(text: str) -> Channel | None:
    """Read a channel; None where it is unknown."""
    return _CHANNELS.get(plain(text))


def scope_of(text: str) -> ScopeKind | None:
    """Read a scope; None where it is unknown."""
    return _SCOPES.get(plain(text))
