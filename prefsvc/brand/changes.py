"""What a brand's new file changes, in sentences for the one who applies it."""

from collections.abc import Iterator, Mapping

from prefsvc.brand.brand import Brand
from prefsvc.declared import Path, Problem


def difference(old: Brand | None, new: Brand) -> list[str]:
    """Say what applying `new` changes; nothing if, and only if, it is the same brand."""
    if old is None:
        topics = f"{len(new.topics)} topic{'' if len(new.topics) == 1 else 's'}"
        return [f"{new.slug} is new: {new.name}, on {', '.join(new.channels)}, with {topics}."]
    return [
        *_topic_changes(old, new),
        *_changes((), _without_topics(old), _without_topics(new)),
    ]


def _without_topics(brand: Brand) -> dict[str, object]:
    return {key: value for key, value in brand.to_document().items() if key != "topics"}


def _topic_changes(old: Brand, new: Brand) -> Iterator[str]:
    before = {topic.slug: topic for topic in old.topics}
    after = {topic.slug: topic for topic in new.topics}
    for slug in sorted(before.keys() - after.keys()):
        yield f"Topic {slug} goes; its links keep working and its opt-outs stand."
    for slug in sorted(after.keys() - before.keys()):
        yield f"Topic {slug} is new: {after[slug].name}, on {', '.join(after[slug].channels)}."
    kept = [slug for slug in after if slug in before]
    for slug in kept:
        path = (f"topic {slug}",)
        yield from _changes(path, before[slug].to_document(), after[slug].to_document())
    if kept != [slug for slug in before if slug in after]:
        yield f"The topics are shown in a new order: {', '.join(after)}."


def _changes(path: Path, old: object, new: object) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _changes((*path, key), old.get(key), new.get(key))
    else:
        yield f"{Problem(path, '').key}: {_change(old, new)}."


def _change(old: object, new: object) -> str:
    if isinstance(old, list) and isinstance(new, list):
        return _list_change(old, new)
    if old is None:
        return f"{_shown(new)} is new"
    if new is None:
        return f"{_shown(old)} goes"
    return f"{_shown(old)} becomes {_shown(new)}"


def _list_change(old: list[object], new: list[object]) -> str:
    gone = [f"{_shown(one)} goes" for one in old if one not in new]
    added = [f"{_shown(one)} is new" for one in new if one not in old]
    return ", ".join(gone + added) or f"the order becomes {_shown(new)}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
