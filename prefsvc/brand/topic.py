"""Topics: the kinds of message that a person can choose among."""

from dataclasses import dataclass
from typing import Final, Self, get_args

from prefsvc.address import CHANNELS, Channel
from prefsvc.brand.kinds import slug
from prefsvc.declared import Table, filled
from prefsvc.declared.kinds import one_of, text_of
from prefsvc.declared.table import Translations
from prefsvc.suppression import MessageClass

NAME_LENGTH_MAX: Final = 80
_TEXT_LENGTH_MAX: Final = 400
_MESSAGE_CLASSES: Final[tuple[MessageClass, ...]] = get_args(MessageClass)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A kind of message of a brand, with the words by which people know it."""

    slug: str
    name: str
    names: Translations = ()
    description: str = ""
    descriptions: Translations = ()
    frequency: str = ""
    frequencies: Translations = ()
    channels: tuple[Channel, ...]
    message_class: MessageClass = "marketing"

    @property
    def can_be_opted_out_of(self) -> bool:
        """Say whether an opt-out covers it; one never covers transactional and service messages."""
        return self.message_class == "marketing"

    def name_in(self, language: str) -> str:
        """Return its name in one of the brand's languages."""
        return dict(self.names).get(language, self.name)

    def description_in(self, language: str) -> str:
        """Return what it is about; empty if the file does not say."""
        return dict(self.descriptions).get(language, self.description)

    def frequency_in(self, language: str) -> str:
        """Return how often it comes; empty if the file does not say."""
        return dict(self.frequencies).get(language, self.frequency)

    @classmethod
    def read(cls, table: Table, *, further: tuple[str, ...]) -> Self:
        """Read one of [[topics]]; `further` are the brand's languages after the first."""
        name, text = text_of(NAME_LENGTH_MAX), text_of(_TEXT_LENGTH_MAX)
        if table.lacks("channels"):
            table.problem("channels is missing: say on which channels this topic is sent")
        topic = cls(
            slug=table.required("slug", slug, ""),
            name=table.required("name", name, ""),
            names=table.translations("names", name, further),
            description=table.optional("description", text, ""),
            descriptions=table.translations("descriptions", text, further),
            frequency=table.optional("frequency", name, ""),
            frequencies=table.translations("frequencies", name, further),
            channels=in_order(table.several("channels", one_of(CHANNELS), most=len(CHANNELS))),
            message_class=table.optional("message_class", one_of(_MESSAGE_CLASSES), "marketing"),
        )
        table.close()
        return topic

    def to_document(self) -> dict[str, object]:
        """Return it as the file would have it."""
        return filled(
            {
                "slug": self.slug,
                "name": self.name,
                "names": dict(self.names),
                "description": self.description,
                "descriptions": dict(self.descriptions),
                "frequency": self.frequency,
                "frequencies": dict(self.frequencies),
                "channels": list(self.channels),
                "message_class": self.message_class,
            }
        )


def in_order(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """Return channels in the one order in which they are shown, however they were listed."""
    return tuple(one for one in CHANNELS if one in channels)
