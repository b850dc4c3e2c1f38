"""Brands for tests: a small one to change, and strategies for any that could be declared."""

import json
from collections.abc import Mapping

from hypothesis import strategies as st

from prefsvc.honour import load_rules

CHANNELS = ("email", "sms", "whatsapp", "post")


def small(**changes: object) -> dict[str, object]:
    """Return the document of a small valid brand, changed; None takes a key out."""
    document: dict[str, object] = {
        "slug": "acme",
        "name": "Acme",
        "languages": ["en", "fr-CA"],
        "time_zone": "America/New_York",
        "channels": ["email"],
        "topics": [{"slug": "news", "name": "News", "channels": ["email"]}],
    }
    return {key: value for key, value in (document | changes).items() if value is not None}


def as_toml(document: Mapping[str, object]) -> str:
    """Write a document as TOML, every value on one line."""
    return "".join(f"{json.dumps(key)} = {_value(value)}\n" for key, value in document.items())


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        inside = ", ".join(f"{json.dumps(key)} = {_value(one)}" for key, one in value.items())
        return f"{{{inside}}}"
    return json.dumps(value, ensure_ascii=False)


slugs = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
lines = (
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
    .map(lambda text: " ".join(text.split()))
    .filter(bool)
)
spans = st.builds(
    lambda number, unit: f"{number} {unit}{'' if number == 1 else 's'}",
    st.integers(1, 60),
    st.sampled_from(["day", "business day", "hour"]),
)
domains = st.from_regex(r"[a-z]{1,8}\.example\.(?:com|org)", fullmatch=True)
numbers = st.integers(100, 199).map("+12025550{}".format)
twilios_services = st.text("0123456789abcdef", min_size=32, max_size=32).map("MG{}".format)
services = twilios_services | st.uuids().map(str)
accounts = st.text("0123456789abcdef", min_size=32, max_size=32).map("AC{}".format)
replies = st.from_regex(r"\{brand\}: [A-Z]{1,20}", fullmatch=True)


def some(of, largest: int = 3):
    return st.lists(of, max_size=largest, unique=True)


def texts_in(languages, texts):
    if not languages:
        return st.just({})
    return st.dictionaries(st.sampled_from(languages), texts, max_size=2)


@st.composite
def topics(draw, slug: str, channels: list[str], further: list[str]) -> dict[str, object]:
    return {
        "slug": slug,
        "name": draw(lines),
        "names": draw(texts_in(further, lines)),
        "description": draw(lines),
        "descriptions": draw(texts_in(further, lines)),
        "frequency": draw(lines),
        "channels": draw(st.lists(st.sampled_from(channels), min_size=1, unique=True)),
        "message_class": draw(st.sampled_from(["marketing", "transactional", "service"])),
    }


@st.composite
def sources(draw, name: str) -> dict[str, object]:
    provider = draw(st.sampled_from(["brevo", "sendgrid", "ses"]))
    topic = {"sns_topic": "arn:aws:sns:us-east-1:123456789012:events"} if provider == "ses" else {}
    return {"name": name, "provider": provider} | topic


@st.composite
def mails(draw, of: list[str]) -> dict[str, object]:
    if not of:
        return {"acknowledge": False}
    box, sender = (draw(st.sampled_from(of)) for _ in range(2))
    acknowledge = draw(st.booleans())
    return {"unsubscribe": [f"stop@{box}"], "from": f"care@{sender}", "acknowledge": acknowledge}


@st.composite
def mailboxes(draw, name) -> dict[str, object]:
    when_taken = draw(st.sampled_from(["flag", "move", "delete"]))
    return {
        "name": name,
        "server": draw(st.sampled_from(["imap.example.com", "localhost:1143", "[::1]:1993"])),
        "security": draw(st.sampled_from(["tls", "starttls"])),
        "user": f"{name}@example.com",
        "address": "care@example.com",
        "folder": draw(lines),
        "when_taken": when_taken,
    } | ({"taken_folder": "Taken"} if when_taken == "move" else {})


@st.composite
def documents(draw) -> dict[str, object]:
    channels = draw(st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True))
    languages = draw(
        st.lists(st.sampled_from(["en", "fr-CA", "zh-Hant", "es-419"]), min_size=1, unique=True)
    )
    about = [*channels, "third_party_sharing"]
    document = {
        "slug": draw(slugs),
        "name": draw(lines),
        "names": draw(texts_in(languages[1:], lines)),
        "languages": languages,
        "time_zone": draw(st.sampled_from(["UTC", "America/New_York", "Asia/Tokyo"])),
        "country": draw(st.sampled_from(["US", "GB-ENG", "JP"])),
        "support": {"email": "care@acme.example.com"},
        "page": {"accent": draw(st.sampled_from(["#000000", "#7a1f3d"])), "logo_text": draw(lines)},
        "channels": channels,
        "topics": [
            draw(topics(slug, channels, languages[1:])) for slug in draw(some(slugs, largest=3))
        ],
        "promises": {one: {"window": draw(spans)} for one in draw(some(st.sampled_from(about)))},
        "rules": draw(some(st.sampled_from(sorted(load_rules())))),
    }
    if "email" in channels:
        document["domains"] = draw(some(domains))
        document["mail"] = draw(st.just({}) | mails(document["domains"]))
        document["mail_events"] = [draw(sources(name)) for name in draw(some(slugs))]
        document["mailboxes"] = [draw(mailboxes(name)) for name in draw(some(slugs))]
    if {"sms", "whatsapp"} & set(channels):
        document["numbers"] = draw(st.lists(numbers, min_size=1, max_size=3, unique=True))
        document["messaging_services"] = draw(some(services))
        has_service = any(one.startswith("MG") for one in document["messaging_services"])
        document["sms"] = {
            "replies_by_provider": draw(st.booleans()),
            "twilio_account": draw(accounts),
            "twilio_numbers": draw(st.booleans()) if has_service else True,
            "replies": {"stop": draw(texts_in(languages, replies))},
        }
    return document
