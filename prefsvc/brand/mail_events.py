"""Which mail providers tell a brand's events, and what their lists are called here.

The secrets are not here: a brand's file is no place for them (docs/mail-events.md).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, Self, get_args

from prefsvc.brand.kinds import slug
from prefsvc.brand.topic import Topic
from prefsvc.declared import Table, filled
from prefsvc.declared.kinds import one_of
from prefsvc.declared.table import Translations

MailProvider = Literal[
    "brevo", "mailgun", "mailjet", "postmark", "sendgrid", "ses", "sparkpost"
]  # fmt: skip
MAIL_PROVIDERS: Final[tuple[MailProvider, ...]] = get_args(MailProvider)

LIST_LENGTH_MAX: Final = 256
_LISTS_MAX: Final = 500
_SOURCES_MAX: Final = 50
_SNS_TOPIC: Final = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{1,32}):[0-9]{12}:[A-Za-z0-9_-]{1,256}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailEventSource:
    """One webhook of a provider, known by its name in the webhook's address."""

    name: str
    provider: MailProvider
    sns_topic: str = ""
    topics: Translations = ()
    """What the provider calls a group, list, stream or topic, with the brand's topic."""

    @property
    def region(self) -> str:
        """Return the region of the SNS topic; empty where there is none."""
        return self.sns_topic.split(":")[3] if self.sns_topic else ""

    def topic_of(self, list_name: str) -> str | None:
        """Return the topic that a provider's list is; None where the file does not say."""
        return dict(self.topics).get(list_name)

    @classmethod
    def read(cls, table: Table) -> Self:
        """Read one of [[mail_events]]."""
        source = cls(
            name=table.required("name", slug, ""),
            provider=table.required("provider", one_of(MAIL_PROVIDERS), "postmark"),
            sns_topic=table.optional("sns_topic", _sns_topic, ""),
            topics=table.table("topics").texts(
                slug, most=_LISTS_MAX, key_length_max=LIST_LENGTH_MAX
            ),
        )
        table.close()
        if table.is_sound("provider") and (source.provider == "ses") != ("sns_topic" in table):
            table.problem("sns_topic is what ses needs, and what no other provider has")
        return source

    def to_document(self) -> dict[str, object]:
        """Return it as the file would have it."""
        return filled(
            {
                "name": self.name,
                "provider": self.provider,
                "sns_topic": self.sns_topic,
                "topics": dict(self.topics),
            }
        )


def read_sources(table: Table, topics: Iterable[Topic]) -> tuple[MailEventSource, ...]:
    """Read every one of [[mail_events]]; what it maps must be topics that can be stopped."""
    by_slug = {topic.slug: topic for topic in topics}
    found: dict[str, MailEventSource] = {}
    for one in table.listed_tables("mail_events", most=_SOURCES_MAX):
        source = MailEventSource.read(one)
        if source.name and source.name in found:
            one.problem(f'another source has the name "{source.name}"; give each its own', "name")
        for list_name, topic in source.topics:
            if complaint := _complaint(by_slug.get(topic)):
                one.problem(complaint, "topics", list_name)
        found[source.name] = source
    return tuple(found.values())


def _complaint(topic: Topic | None) -> str | None:
    if topic is None:
        return "the brand has no such topic"
    if "email" not in topic.channels:
        return f"the topic {topic.slug} is not sent by email"
    if not topic.can_be_opted_out_of:
        return f"the topic {topic.slug} is {topic.message_class}: no opt-out covers it"
    return None


def _sns_topic(text: str) -> str:
    if _SNS_TOPIC.fullmatch(text):
        return text
    raise ValueError(
        f'"{text}" is no SNS topic; write its ARN, as in "arn:aws:sns:us-east-1:123456789012:name"'
    )
