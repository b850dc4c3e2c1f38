"""How a brand answers texts, and what it does with those that only may mean stop.

RULES S-15 and S-19 say what an answer to STOP, HELP and START may say, S-13 which words are a stop.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Self, get_args

from prefsvc.brand import kinds
from prefsvc.declared import Table, filled
from prefsvc.declared.kinds import one_of, text_of
from prefsvc.declared.table import Translations
from prefsvc.intent import WrongNumber

ReplyKind = Literal["stop", "help", "start"]
Doubtful = Literal["suppress", "review"]
"""Whether a doubtful reply suppresses before somebody decides, or only by that decision."""

_DOUBTFUL: Final[tuple[Doubtful, ...]] = get_args(Doubtful)
_WRONG_NUMBER: Final[tuple[WrongNumber, ...]] = get_args(WrongNumber)

# GSM 03.38: what fits a text of 160 characters; anything else makes it one of 70 (UCS-2).
_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_ESCAPED: Final = frozenset("^{}\\[~]|€")  # each takes the room of two

# A confirmation is one text; help must name the programme, a contact and how to stop.
_SEGMENTS_MAX: Final[dict[ReplyKind, int]] = {"stop": 1, "help": 2, "start": 1}
_LINK: Final = re.compile(
    r"://|\bwww\.|(?<![@\w.-])(?:[a-z0-9-]+\.)+[a-z]{2,}(?![\w@])(?!\.[\w@])", re.IGNORECASE
)
# What a confirmation must not say (47 CFR 64.1200(a)(12): it "merely confirms").
_MARKETING: Final = re.compile(
    r"\d\s?[%$€£]|[$€£]\s?\d|\b(?:"
    r"bargains?|coupons?|deals?|discounts?|exclusive|(?<!toll-)free|gifts?|offers?|promo(?:tion)?s?|"
    r"sales?|save|shop|vouchers?|"
    r"bon d'achat|boutique|cadeaux?|gratuit\w*|offres?|remises?|soldes|"
    r"compras?|descuentos?|gratis|ofertas?|rebajas|regalos?|tienda|"
    r"angebote?|geschenke?|gutscheine?|kostenlos|rabatte?|sparen"
    r")\b",
    re.IGNORECASE,
)
_CONFIRMATIONS: Final[frozenset[ReplyKind]] = frozenset({"stop", "start"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsSettings:
    """Who answers a text, and with which words."""

    replies_by_provider: bool = True
    """The provider itself answers STOP, START and HELP; a second answer would be one too many."""
    doubtful: Doubtful | None = None
    """None leaves it to the rules that the brand and the recipient are under."""
    wrong_number: WrongNumber = "ask"
    """What "you have the wrong number" asks for."""
    twilio_account: str | None = None
    """The account whose own block list is told of opt-outs; None tells nobody (docs/twilio.md)."""
    twilio_numbers: bool = True
    """Whether it is told for each number, too, or for the messaging services alone."""
    stop: Translations = ()
    help: Translations = ()
    start: Translations = ()

    def reply_texts(self, language: str) -> dict[str, str]:
        """Return the brand's own words in a language; what is not there is left to prefsvc."""
        texts = {kind: dict(by_language).get(language) for kind, by_language in self._texts()}
        return {kind: text for kind, text in texts.items() if text}

    @classmethod
    def read(
        cls, table: Table, *, languages: tuple[str, ...], brand_name: str, contact: str
    ) -> Self:
        """Read [sms]; the replies are under [sms.replies]."""
        replies = table.table("replies")

        def texts(kind: ReplyKind) -> Translations:
            parse = reply_text(kind, brand_name=brand_name, contact=contact)
            return replies.translations(kind, parse, languages)

        settings = cls(
            replies_by_provider=table.flag("replies_by_provider", default=True),
            doubtful=table.optional("doubtful", one_of(_DOUBTFUL), None),
            wrong_number=table.optional("wrong_number", one_of(_WRONG_NUMBER), "ask"),
            twilio_account=table.optional("twilio_account", kinds.twilio_account, None),
            twilio_numbers=table.flag("twilio_numbers", default=True),
            stop=texts("stop"),
            help=texts("help"),
            start=texts("start"),
        )
        replies.close()
        table.close()
        return settings

    def to_document(self) -> dict[str, object]:
        """Return it as the file would have it."""
        replies = filled({kind: dict(by_language) for kind, by_language in self._texts()})
        return filled(
            {
                "replies_by_provider": self.replies_by_provider,
                "doubtful": self.doubtful,
                "wrong_number": self.wrong_number,
                "twilio_account": self.twilio_account,
                "twilio_numbers": self.twilio_numbers,
                "replies": replies,
            }
        )

    def _texts(self) -> tuple[tuple[ReplyKind, Translations], ...]:
        return (("stop", self.stop), ("help", self.help), ("start", self.start))


def reply_text(kind: ReplyKind, *, brand_name: str, contact: str) -> Callable[[str], str]:
    """Return a reader of replies of one kind, which refuses what an answer must not carry.

    {brand} and {contact} stand for those two; they count with the room they will take.
    """

    def parse(text: str) -> str:
        reply = text_of(640)(text)
        sent = reply.replace("{brand}", brand_name).replace("{contact}", contact)
        # The name and the contact may look like anything, a web address or an offer included.
        own = _without(sent, brand_name, contact)
        if complaint := _complaint(kind, reply, own, is_named=own != _without(sent, contact)):
            raise ValueError(complaint)
        if segments(sent) > _SEGMENTS_MAX[kind]:
            raise ValueError(
                f"takes {segments(sent)} text messages; the most is {_SEGMENTS_MAX[kind]}"
                " (160 characters each, 70 with letters outside the GSM alphabet)"
            )
        return reply

    return parse


def _complaint(kind: ReplyKind, reply: str, own: str, *, is_named: bool) -> str | None:
    if link := _LINK.search(reply):
        return f'"{link[0]}" looks like a web address; an answer to {kind.upper()} carries none'
    if kind in _CONFIRMATIONS and (offer := _MARKETING.search(own)):
        # HELP says what the texts are about, which may be sales and offers.
        return f'"{offer[0]}" advertises; an answer to {kind.upper()} only confirms'
    if not is_named:
        return "does not say whose answer it is; write {brand} where the name goes"
    return None


def _without(text: str, *parts: str) -> str:
    for part in filter(None, parts):
        text = re.sub(re.escape(part), " ", text, flags=re.IGNORECASE)
    return text


def segments(text: str) -> int:
    """Return how many text messages a text takes; the parts of a longer one have less room each."""
    if all(character in _GSM or character in _GSM_ESCAPED for character in text):
        room, room_in_parts = 160, 153
        length = len(text) + sum(character in _GSM_ESCAPED for character in text)
    else:
        room, room_in_parts = 70, 67
        length = len(text.encode("utf-16-le")) // 2
    return 1 if length <= room else -(-length // room_in_parts)
