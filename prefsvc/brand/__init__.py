"""Brands: read from their files, checked whole, compared, stored; docs/brands.md has every key."""

from prefsvc.brand.brand import Brand
from prefsvc.brand.changes import difference
from prefsvc.brand.language import best_language, parse_language
from prefsvc.brand.mail_events import MAIL_PROVIDERS, MailEventSource, MailProvider
from prefsvc.brand.mailboxes import Mailbox
from prefsvc.brand.page import Page, Support
from prefsvc.brand.sms import ReplyKind, SmsSettings
from prefsvc.brand.together import check_together
from prefsvc.brand.topic import Topic

__all__ = [
    "MAIL_PROVIDERS",
    "Brand",
    "MailEventSource",
    "MailProvider",
    "Mailbox",
    "Page",
    "ReplyKind",
    "SmsSettings",
    "Support",
    "Topic",
    "best_language",
    "check_together",
    "difference",
    "parse_language",
]
