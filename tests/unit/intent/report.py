"""How texts of each kind are read, and which are misread: `make intent-report`.

Reads the corpora at PREFSVC_CORPORA (kept outside the project) and the replies beside this file.
"""

import json
import os
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prefsvc.intent import Decision, decide

HERE = Path(__file__).parent
CORPORA = Path(os.environ.get("PREFSVC_CORPORA") or HERE.parents[3] / "shared" / "corpora")
ROUNDS = ("tuned", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
REPLIES = tuple(f"replies_{name}" for name in (*ROUNDS, "tenth", "eleventh", "twelfth"))
TAPBACKS = ("Liked “{}”", "Laughed at “{}”", 'Emphasized "{}"', "Removed a like from “{}”")
START_LISTS = {"AJO opt-in", "Bird opt-in", "Kalkun opt-in (fr)"}
HELP_LISTS = {"Bird help"}


@dataclass(frozen=True)
class Sample:
    """A text, and what it may be read as."""

    text: str
    right: tuple[str, ...]

    def miss(self, decision: Decision) -> bool:
        return decision.intent not in self.right


def replies(name: str) -> Iterator[tuple[str, Sample]]:
    """Yield each reply of a file with its language."""
    for language, kinds in tomllib.loads((HERE / f"{name}.toml").read_text("utf-8")).items():
        for text in kinds["stop"]:
            yield language, Sample(text, ("stop",))
        for text in kinds["ask"]:
            yield language, Sample(text, ("ask", "stop"))
        for text in kinds["none"]:
            yield language, Sample(text, ("none", "start", "help"))


def collected(label: str, corpora: Path = CORPORA) -> list[str]:
    """Return the SMS Spam Collection's texts of a label: "ham" or "spam"."""
    rows = (corpora / "sms/sms_spam_collection_half.tsv").read_text("utf-8").splitlines()
    return [row.partition("\t")[2] for row in rows if row.startswith(label + "\t")]


def confusers(name: str, corpora: Path = CORPORA) -> list[str]:
    """Return the texts of a corpus that stop, cancel or remove something else."""
    rows = json.loads((corpora / f"intent/{name}.json").read_text("utf-8"))
    return [row["text"] for row in rows if row["label"] == "not_opt_out"]


def vendor_words(corpora: Path = CORPORA) -> Iterator[Sample]:
    """Yield every vendor's keywords and what it says of them; YES starts nothing (S-14)."""
    for vendor, words in json.loads((corpora / "sms/vendor_keywords.json").read_text()).items():
        outcome = "start" if vendor in START_LISTS else "help" if vendor in HELP_LISTS else "stop"
        for word in _flat(words):
            yield Sample(word, ("none",) if word == "YES" else (outcome,))


def samples() -> Iterator[tuple[str, list[Sample]]]:
    """Yield every set of texts with its name."""
    for name in REPLIES:
        found = list(replies(name))
        yield f"{name}, English", [one for language, one in found if language == "en"]
        if others := [one for language, one in found if language != "en"]:
            yield f"{name}, other languages", others
    if not CORPORA.is_dir():
        return
    ordinary = ("none", "start", "help")
    spam = collected("spam")
    yield "SMS collection, ordinary", [Sample(text, ordinary) for text in collected("ham")]
    yield (
        "SMS collection, tapbacks on spam",
        [Sample(tap.format(text), ordinary) for tap in TAPBACKS for text in spam],
    )
    for name in ("clinc150_half", "banking77_half"):
        yield name, [Sample(text, ordinary) for text in confusers(name)]
    yield "vendor keywords", list(vendor_words())


def main() -> None:
    """Print the table, then every text that was misread."""
    print("| set | texts | stop | ask | none | start, help | misread |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    misses = []
    for name, texts in samples():
        decisions = [decide(sample.text) for sample in texts]
        misread = [
            (sample, decision)
            for sample, decision in zip(texts, decisions, strict=True)
            if sample.miss(decision)
        ]
        counts = Counter(decision.intent for decision in decisions)
        cells = (len(texts), counts["stop"], counts["ask"], counts["none"])
        others = counts["start"] + counts["help"]
        print(f"| {name} | {' | '.join(map(str, cells))} | {others} | {len(misread)} |")
        misses += [(name, *miss) for miss in misread]
    for name, sample, decision in misses:
        expected = "/".join(sample.right)
        print(f"\n{name}: {decision.intent} ({decision.rule}) for {expected}:\n  {sample.text}")


def _flat(words: object) -> Iterator[str]:
    match words:
        case str():
            yield words
        case dict():
            for part in words.values():
                yield from _flat(part)
        case list():
            for part in words:
                yield from _flat(part)


if __name__ == "__main__":
    main()
