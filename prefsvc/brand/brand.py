"""A brand: who made the promises, on which channels and topics, and under which rules.

It is declared in a TOML file, read and checked whole, and stored as a document of the same shape.
Reading a stored one is as strict as reading a file: a promise that is not understood must not be
passed over in silence.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from prefsvc.address import CHANNELS, Channel, channels_reaching
from prefsvc.brand import kinds
from prefsvc.brand.language import best_language, parse_language
from prefsvc.brand.mail import MailSettings
from prefsvc.brand.mail_events import MailEventSource, read_sources
from prefsvc.brand.mailboxes import Mailbox, read_mailboxes
from prefsvc.brand.page import Page, Support
from prefsvc.brand.promises import read_promises, to_documents
from prefsvc.brand.sms import Doubtful, SmsSettings
from prefsvc.brand.topic import NAME_LENGTH_MAX, Topic, in_order
from prefsvc.declared import Problem, Table, filled, read_file
from prefsvc.declared.file import located
from prefsvc.declared.kinds import one_of, text_of, time_zone
from prefsvc.declared.table import Translations
from prefsvc.errors import BrandRefusal, UnknownTopic
from prefsvc.honour import ChannelOrPurpose, Promise, load_rules

_LANGUAGES_MAX: Final = 40
_TOPICS_MAX: Final = 200
_SENDERS_MAX: Final = 2000  # domains, numbers, messaging services: of each

_TEXTED: Final[tuple[Channel, ...]] = channels_reaching("sms")
_CHANNELS_OF_KEYS: Final[tuple[tuple[str, tuple[Channel, ...]], ...]] = (
    ("domains", ("email",)),
    ("mail", ("email",)),
    ("mail_events", ("email",)),
    ("mailboxes", ("email",)),
    ("numbers", _TEXTED),
    ("messaging_services", _TEXTED),
    ("sms", _TEXTED),
)
_NO_NUMBERS: Final = ("sms", "twilio_numbers")
_NO_SUPPORT: Final = Support()
_PLAIN_PAGE: Final = Page()
_PLAIN_MAIL: Final = MailSettings()
_PLAIN_SMS: Final = SmsSettings()
_TELNYX_ANSWERS: Final = (
    "replies_by_provider = false is for Twilio's numbers alone: Telnyx takes no reply from a"
    " webhook, so that people get what its messaging profile answers"
)

_TELNYX_NUMBERS: Final = (
    "twilio_account has Twilio told of opt-outs for every one of numbers, and it refuses those that"
    " are Telnyx': with twilio_numbers = false it is told for its messaging services alone"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """Everything a brand's file says; what it leaves out has its default."""

    slug: str
    name: str
    names: Translations = ()
    languages: tuple[str, ...]
    time_zone: str
    country: str | None = None
    support: Support = _NO_SUPPORT
    page: Page = _PLAIN_PAGE
    channels: tuple[Channel, ...]
    domains: tuple[str, ...] = ()
    mail: MailSettings = _PLAIN_MAIL
    numbers: tuple[str, ...] = ()
    messaging_services: tuple[str, ...] = ()
    mail_events: tuple[MailEventSource, ...] = ()
    mailboxes: tuple[Mailbox, ...] = ()
    sms: SmsSettings = _PLAIN_SMS
    topics: tuple[Topic, ...] = ()
    promises: tuple[Promise, ...] = ()
    rules: tuple[str, ...] = ()

    @classmethod
    def from_toml(cls, text: str, *, file: str) -> Self:
        """Read a brand's file, called `file` in messages, or refuse it with all that is wrong."""
        brand, problems = read_file(text, file, cls._read)
        if brand is None or problems:
            raise BrandRefusal(problems=problems)
        return brand

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Read what `to_document` wrote."""
        problems: list[Problem] = []
        brand = cls._read(Table(document, problems))
        if problems:
            raise BrandRefusal(problems=[located("stored brand", 0, one) for one in problems])
        return brand

    @classmethod
    def _read(cls, table: Table) -> Self:
        languages = table.several("languages", parse_language, most=_LANGUAGES_MAX)
        channels = table.several("channels", one_of(CHANNELS), most=len(CHANNELS))
        if not table.is_sound("channels"):
            channels = ()  # what contradicts a slip of the pen is no further problem
        country = table.optional("country", kinds.country, None)
        support = Support.read(table.table("support"))
        name_kind = text_of(NAME_LENGTH_MAX)
        name = table.required("name", name_kind, "")
        domains = _sorted(table, "domains", kinds.domain)
        topics = _topics(table, languages[1:])
        brand = cls(
            slug=table.required("slug", kinds.slug, ""),
            name=name,
            names=table.translations("names", name_kind, languages[1:]),
            languages=languages,
            time_zone=table.required("time_zone", time_zone, "UTC"),
            country=country,
            support=support,
            page=Page.read(table.table("page")),
            channels=in_order(channels),
            domains=domains,
            mail=MailSettings.read(table.table("mail"), domains=domains),
            numbers=_sorted(table, "numbers", kinds.sms_number),
            messaging_services=_sorted(table, "messaging_services", kinds.messaging_service),
            mail_events=read_sources(table, topics),
            mailboxes=read_mailboxes(table),
            sms=SmsSettings.read(
                table.table("sms"), languages=languages, brand_name=name, contact=support.contact
            ),
            topics=topics,
            promises=read_promises(
                table.named_tables("promises"), channels=channels, holidays=country
            ),
            rules=_sorted(table, "rules", one_of(load_rules())),
        )
        table.close()
        _check(brand, table)
        return brand

    def to_document(self) -> dict[str, object]:
        """Return what the database keeps, in the shape of the file; the same for equal brands."""
        return filled(
            {
                "slug": self.slug,
                "name": self.name,
                "names": dict(self.names),
                "languages": list(self.languages),
                "time_zone": self.time_zone,
                "country": self.country,
                "support": self.support.to_document(),
                "page": self.page.to_document(),
                "channels": list(self.channels),
                "domains": list(self.domains),
                "mail": self.mail.to_document() if "email" in self.channels else None,
                "numbers": list(self.numbers),
                "messaging_services": list(self.messaging_services),
                "mail_events": [source.to_document() for source in self.mail_events],
                "mailboxes": [mailbox.to_document() for mailbox in self.mailboxes],
                "sms": self.sms.to_document() if _texted(self) else None,
                "topics": [topic.to_document() for topic in self.topics],
                "promises": to_documents(self.promises),
                "rules": list(self.rules),
            }
        )

    @property
    def default_language(self) -> str:
        """Return the first of its languages."""
        return self.languages[0]

    def language(self, preferred: Iterable[str]) -> str:
        """Return the one of its languages that fits best, given a person's in order."""
        return best_language(preferred, self.languages)

    def name_in(self, language: str) -> str:
        """Return its name in one of its languages."""
        return dict(self.names).get(language, self.name)

    @property
    def contact_text(self) -> str:
        """Return where a text message sends people for help; empty where the brand has nothing."""
        return self.support.contact

    @property
    def replies_by_provider(self) -> bool:
        """Say whether the provider of its numbers answers STOP, START and HELP by itself."""
        return self.sms.replies_by_provider

    @property
    def twilio_targets(self) -> tuple[str, ...]:
        """Return for what Twilio's block list is told of opt-outs: services, numbers; or nothing.

        The block of a service holds for what is sent through it, that of a number for what is sent
        from the number alone (RULES S-25): only all of them together leave no way around.
        """
        if not self.sms.twilio_account:
            return ()
        numbers = self.numbers if self.sms.twilio_numbers else ()
        return (*_twilio_services(self), *numbers)

    def remarks(self) -> list[str]:
        """Return what its file may not do as meant, though nothing in it is wrong."""
        if not any(map(kinds.is_telnyx_profile, self.messaging_services)):
            return []
        tells_numbers = self.sms.twilio_account and self.sms.twilio_numbers
        return [
            *([_TELNYX_ANSWERS] if not self.replies_by_provider else []),
            *([_TELNYX_NUMBERS] if tells_numbers else []),
        ]

    def doubtful(self, recipients_country: str | None) -> Doubtful:
        """Return whether a doubtful reply suppresses first.

        By default it does where US law may apply: there the doubt is the sender's (RULES S-13).
        """
        is_of_us = "tcpa" in self.rules or recipients_country == "US"
        return self.sms.doubtful or ("suppress" if is_of_us else "review")

    def reply_texts(self, language: str) -> dict[str, str]:
        """Return its own answers to STOP, START and HELP in a language, as far as it has any."""
        return self.sms.reply_texts(language)

    def find_topic(self, slug: str) -> Topic | None:
        """Return a topic if the brand has it now; one that went may still be named by old links."""
        return next((topic for topic in self.topics if topic.slug == slug), None)

    def topic(self, slug: str) -> Topic:
        """Return a topic, or refuse."""
        if found := self.find_topic(slug):
            return found
        raise UnknownTopic

    def topics_on(self, channel: Channel) -> tuple[Topic, ...]:
        """Return the topics that are sent on a channel, in the file's order."""
        return tuple(topic for topic in self.topics if channel in topic.channels)

    def promise(self, about: ChannelOrPurpose) -> Promise | None:
        """Return what it promises for a channel, or for sharing with third parties.

        A message on WhatsApp is a text: without a promise of its own, that for texts counts.
        """
        found = next((one for one in self.promises if one.about == about), None)
        if found is None and about == "whatsapp":
            texts = self.promise("sms")
            return texts and replace(texts, about=about)
        return found


def _sorted(table: Table, key: str, parse: Callable[[str], str]) -> tuple[str, ...]:
    """Read a list whose order means nothing."""
    return tuple(sorted(table.several(key, parse, most=_SENDERS_MAX)))


def _topics(table: Table, further_languages: tuple[str, ...]) -> tuple[Topic, ...]:
    topics: list[Topic] = []
    for one in table.listed_tables("topics", most=_TOPICS_MAX):
        topic = Topic.read(one, further=further_languages)
        if topic.slug and topic.slug in {other.slug for other in topics}:
            one.problem(f'another topic has the slug "{topic.slug}"; give each its own', "slug")
        topics.append(topic)
    return tuple(topics)


def _check(brand: Brand, table: Table) -> None:
    """Note what is wrong between keys that are each fine by themselves."""
    if table.lacks("languages"):
        table.problem('languages is missing: list at least one, the default first, as in ["en"]')
    if table.lacks("channels"):
        table.problem(f"channels is missing: list at least one of {', '.join(CHANNELS)}")
    if not brand.channels:
        return
    _check_topics(brand, table)
    _check_senders(brand, table)


def _check_topics(brand: Brand, table: Table) -> None:
    for number, topic in enumerate(brand.topics):
        for channel in topic.channels:
            if channel not in brand.channels:
                table.problem(
                    f"the brand has no channel {channel}; it has {', '.join(brand.channels)}",
                    "topics",
                    number,
                    "channels",
                )


def _texted(brand: Brand) -> list[Channel]:
    """Return the channels on which the brand sends texts."""
    return [channel for channel in _TEXTED if channel in brand.channels]


def _twilio_services(brand: Brand) -> list[str]:
    """Return the messaging services that are Twilio's."""
    return [one for one in brand.messaging_services if not kinds.is_telnyx_profile(one)]


def _check_senders(brand: Brand, table: Table) -> None:
    for key, channels in _CHANNELS_OF_KEYS:
        if key in table and not set(channels) & set(brand.channels):
            which = " or ".join(channels)
            table.problem(f"is for the channel {which}: add it to channels, or take it out", key)
    for channel in _texted(brand)[:1]:
        if table.lacks("numbers") and table.lacks("messaging_services"):
            table.problem(
                f"the channel {channel} needs numbers or messaging_services: STOP is known by them"
            )
        if not brand.sms.twilio_numbers and not _twilio_services(brand):
            table.problem(
                "needs messaging_services of Twilio's; without any it would tell nothing",
                *_NO_NUMBERS,
            )
        if not brand.support.contact and table.is_sound("support"):
            table.problem(
                f"the channel {channel} needs a contact under [support]: HELP is answered with it"
            )
