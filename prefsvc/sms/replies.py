"""What a text message is answered with.

Rule 1: one confirmation that merely confirms (S-15): no offer, no link, nothing to reconsider.
Rule 2: where the provider answers by itself, that was the one message, and we are silent.
Rule 3: the texts given here fit one segment, so they keep to the GSM-7 alphabet: no á, ç or ê.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from prefsvc.intent import Intent

Outcome = Literal["stop", "start", "help"]

REPLY_CHARS_MAX: Final = 306  # two GSM-7 segments

# S-19 and CTIA: who writes, where help is, how to stop, what it may cost.
DEFAULT_TEXTS: Final[Mapping[str, Mapping[Outcome, str]]] = {
    "en": {
        "stop": "{brand}: you are unsubscribed and will get no more marketing texts from us. "
        "Reply START to undo. Help: {contact}",
        "start": "{brand}: our texts can reach you again. Reply STOP to end them or HELP for help. "
        "Msg & data rates may apply.",
        "help": "{brand} texts. Help: {contact}. Reply STOP to end them. Frequency varies. "
        "Msg & data rates may apply.",
    },
    "fr": {
        "stop": "{brand} : vous ne recevrez plus nos SMS publicitaires. "
        "START pour annuler. Aide : {contact}",
        "start": "{brand} : vous pouvez à nouveau recevoir nos SMS. "
        "Répondez STOP pour ne plus en recevoir ou AIDE pour toute question.",
        "help": "SMS de {brand}. Aide : {contact}. Répondez STOP pour ne plus en recevoir. "
        "Tarif SMS selon votre opérateur.",
    },
    "es": {
        "stop": "{brand}: baja confirmada. No le enviaremos otros SMS publicitarios. "
        "START para deshacerlo. Ayuda: {contact}",
        "start": "{brand}: puede recibir de nuevo nuestros SMS. "
        "Responda STOP para darse de baja o AYUDA para pedir ayuda.",
        "help": "SMS de {brand}. Ayuda: {contact}. Responda STOP para darse de baja. "
        "Pueden aplicarse tarifas de su operador.",
    },
    "de": {
        "stop": "{brand}: Sie sind abgemeldet und erhalten keine Werbe-SMS mehr von uns. "
        "Rückgängig mit START. Hilfe: {contact}",
        "start": "{brand}: Sie können unsere SMS wieder erhalten. "
        "Antworten Sie STOP zum Abmelden oder HILFE für Hilfe.",
        "help": "SMS von {brand}. Hilfe: {contact}. Antworten Sie STOP zum Abmelden. "
        "Es gilt der SMS-Tarif Ihres Anbieters.",
    },
}

_EMAIL: Final = re.compile(r"\S+@\S+")
_LINK: Final = re.compile(
    r"https?://|www\.|\b[\w-]+\.(?:com|net|org|shop|store|io|ly|me|co|link|site|us|uk|ca|fr|es|de)\b",
    re.IGNORECASE,
)
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


def for_intent(
    intent: Intent,
    *,
    brand_name: str,
    language: str,
    contact: str,
    provider_answers: bool,
    custom_texts: Mapping[str, str],
) -> str | None:
    """Return the answer to what a message asked for: the brand's own text, or the default one.

    None where there is none to give.

    `contact` is where a person finds help (CTIA wants it in every HELP): an address or a number.
    """
    match intent:
        case "ask" | "none":
            return None
        case _ if provider_answers:
            return None  # S-15: the provider's answer was the one message
        case outcome:
            text = custom_texts.get(outcome) or _default(outcome, language)
            return _filled(text, brand_name, contact)


def lint_reply(text: str, *, brand_name: str, contact: str = "") -> list[str]:
    """Return what is wrong with a brand's own text; nothing where it may be sent (S-15, S-19).

    The brand's name and contact may look like anything, a link included.
    """
    filled = _filled(text, brand_name, contact)
    own = _without(filled, brand_name, contact)
    complaints = {
        "It does not name the brand; write {brand} where the name goes.": filled
        == _without(filled, brand_name),
        "It has a link; a confirmation only confirms.": _LINK.search(_EMAIL.sub("", own)),
        "It advertises; a confirmation only confirms.": _MARKETING.search(own),
        f"It is longer than {REPLY_CHARS_MAX} characters.": len(filled) > REPLY_CHARS_MAX,
    }
    return [complaint for complaint, is_true in complaints.items() if is_true]


def _default(intent: Outcome, language: str) -> str:
    """Return the text for "fr" to "fr-CA" too, and English to whom we have nothing better."""
    texts = DEFAULT_TEXTS.get(re.split("[-_]", language.lower())[0], DEFAULT_TEXTS["en"])
    return texts[intent]


def _filled(text: str, brand_name: str, contact: str) -> str:
    """Fill in the two fields and nothing else: a stray brace in a brand's text is only a brace."""
    fields = {"{brand}": brand_name, "{contact}": contact}
    return re.sub(r"\{(?:brand|contact)\}", lambda m: fields[m[0]], text)


def _without(text: str, *parts: str) -> str:
    for part in filter(None, parts):
        text = re.sub(re.escape(part), " ", text, flags=re.IGNORECASE)
    return text
