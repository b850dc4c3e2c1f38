"""What a text message is answered with.

Rule 1: one confirmation that merely confirms (S-15): no offer, no link, nothing to reconsider.
Rule 2: where the provider answers by itself, that was the one message, and we are silent.
Rule 3: the texts given here fit one segment, so they keep to the GSM-7 alphabet: no á, ç or ê.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

Outcome = Literal["stop", "start", "start_again", "help"]
"""What is answered: "start_again" is a START that lifted nothing, for it crossed a STOP (S-20)."""

# S-19 and CTIA: who writes, where help is, how to stop, what it may cost.
DEFAULT_TEXTS: Final[Mapping[str, Mapping[Outcome, str]]] = {
    "en": {
        "stop": "{brand}: you are unsubscribed and will get no more marketing texts from us. "
        "Reply START to undo. Help: {contact}",
        "start": "{brand}: our texts can reach you again. Reply STOP to end them or HELP for help. "
        "Msg & data rates may apply.",
        "start_again": "{brand}: your START and a STOP reached us almost together, so you stay "
        "unsubscribed. To get our texts again, reply START once more.",
        "help": "{brand} texts. Help: {contact}. Reply STOP to end them. Frequency varies. "
        "Msg & data rates may apply.",
    },
    "fr": {
        "stop": "{brand} : vous ne recevrez plus nos SMS publicitaires. "
        "START pour annuler. Aide : {contact}",
        "start": "{brand} : vous pouvez à nouveau recevoir nos SMS. "
        "Répondez STOP pour ne plus en recevoir ou AIDE pour toute question.",
        "start_again": "{brand} : STOP et START sont arrivés presque ensemble, vous ne recevrez "
        "donc plus nos SMS. Pour les recevoir, répondez encore une fois START.",
        "help": "SMS de {brand}. Aide : {contact}. Répondez STOP pour ne plus en recevoir. "
        "Tarif SMS selon votre opérateur.",
    },
    "es": {
        "stop": "{brand}: baja confirmada. No le enviaremos otros SMS publicitarios. "
        "START para deshacerlo. Ayuda: {contact}",
        "start": "{brand}: puede recibir de nuevo nuestros SMS. "
        "Responda STOP para darse de baja o AYUDA para pedir ayuda.",
        "start_again": "{brand}: STOP y START llegaron casi a la vez, por eso sigue de baja. "
        "Si quiere recibir nuestros SMS, responda START de nuevo.",
        "help": "SMS de {brand}. Ayuda: {contact}. Responda STOP para darse de baja. "
        "Pueden aplicarse tarifas de su operador.",
    },
    "de": {
        "stop": "{brand}: Sie sind abgemeldet und erhalten keine Werbe-SMS mehr von uns. "
        "Rückgängig mit START. Hilfe: {contact}",
        "start": "{brand}: Sie können unsere SMS wieder erhalten. "
        "Antworten Sie STOP zum Abmelden oder HILFE für Hilfe.",
        "start_again": "{brand}: STOP und START kamen fast zugleich an, daher bleiben Sie "
        "abgemeldet. Für unsere SMS antworten Sie bitte noch einmal START.",
        "help": "SMS von {brand}. Hilfe: {contact}. Antworten Sie STOP zum Abmelden. "
        "Es gilt der SMS-Tarif Ihres Anbieters.",
    },
}


def text_for(
    outcome: Outcome | None,
    *,
    brand_name: str,
    language: str,
    contact: str,
    provider_answers: bool,
    custom_texts: Mapping[str, str],
) -> str | None:
    """Return the answer: the brand's own text, or the default one; None where there is none.

    `contact` is where a person finds help (CTIA wants it in every HELP): an address or a number.
    """
    if outcome is None or provider_answers:
        return None  # S-15: the provider's answer was the one message
    text = custom_texts.get(outcome) or _default(outcome, language)
    return _filled(text, brand_name, contact)


def _default(outcome: Outcome, language: str) -> str:
    """Return the text for "fr" to "fr-CA" too, and English to whom we have nothing better."""
    texts = DEFAULT_TEXTS.get(re.split("[-_]", language.lower())[0], DEFAULT_TEXTS["en"])
    return texts[outcome]


def _filled(text: str, brand_name: str, contact: str) -> str:
    """Fill in the two fields and nothing else: a stray brace in a brand's text is only a brace."""
    fields = {"{brand}": brand_name, "{contact}": contact}
    return re.sub(r"\{(?:brand|contact)\}", lambda m: fields[m[0]], text)
