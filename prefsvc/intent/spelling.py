"""A text as plain words: what looks alike to a person is the same here.

Rule 1: case, accents, emoji, invisible characters, full-width and ornamental letters do not count
(CTIA: capitalisation and punctuation have no effect; RULES S-11, S-13).
Rule 2: a disguise (look-alike letters, digits for letters, stretched or spaced-out letters) is
taken off only where a word that the grammar knows is underneath.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Final

# What Twilio lets through. Unicode normalisation takes time in the square of a run of accents:
# 3 s for 64 KB of them, 2 ms for this (measured).
CHARS_MAX: Final = 1600

# One letter has up to three parts (Korean, Vietnamese), one ornament as many as eighteen.
_PARTS_MAX: Final = 3 * CHARS_MAX

_PARTED_WORDS_MAX: Final = 8  # "pleaseremovemefromyourmailinglist"

BREAK: Final = "."  # stands between clauses, whatever mark stood there

# Scripts without spaces between words: each letter is a word to the grammar.
_UNSPACED: Final = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
# Vowel signs of Indic scripts, which are marks to Unicode and letters to everybody else.
_LETTER: Final = rf"(?:[^\W_{_UNSPACED}]|[\u0900-\u0963\u0970-\u0dff])"
_WORD_OR_BREAK: Final = re.compile(
    rf"[{_UNSPACED}]|{_LETTER}+(?:\*+{_LETTER}+)*|(?P<swearing>\bf\*+)|(?P<number>#(?!\w))"
    r"|(?P<break>[.!?;:,…()\[\]|\n\r\u2013\u2014\u3001\u3002\u060c\u061b\u061f\u0964]|\s-+\s)"
)
_SPACED_OUT: Final = re.compile(r"(?<![^\W_])(?:[^\W_][\s.*_-]{1,2}){2,12}[^\W_](?![^\W_])")
_STRETCHED: Final = re.compile(r"(.)\1{2,}")
# What dictation makes of an apostrophe: "don t".
_PARTED_NEGATION: Final = re.compile(r"\b((?:do|did|does|is|wo|ca|have|has|had)n) t\b")
_APOSTROPHES: Final = dict.fromkeys(map(ord, "'`\u00b4\u2018\u2019\u02bc\u05f3"))
_VARIATION_SELECTORS: Final = range(0xFE00, 0xFE10)
_NUKTA: Final = 7  # combining class of the dot that Hindi keyboards often leave out
_ACCENTS_FROM: Final = 10  # below: kana voicing and viramas, which make other letters

# Letters that no decomposition makes plain.
_PLAIN: Final = _APOSTROPHES | str.maketrans(
    "ıøłđðħᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
    "iolddhabcdefghijklmnoprstuvwyz",
)
_LOOK_ALIKES: Final = str.maketrans(
    "авсеԁһніјкӏморԛѕтυуѵԝхαβεικορτχν",
    "abcedhhijklmopqstuyvwxabeikoptxv",
)
_DIGITS: Final = str.maketrans("0134578", "oieastb")
# Without their accents these would read as "dừng", which is Vietnamese for stop.
_TOLD_APART: Final = {"đúng": "đungs", "dùng": "dungf"}


@dataclass(frozen=True, slots=True)
class Speller:
    """How words are spelled by those who know them."""

    vocabulary: frozenset[str]
    """What a disguise may hide."""
    corrections: dict[str, str]
    """What people write, and what they mean: "txting" is "texting", "wanna" is "want to"."""
    long_words: frozenset[str]
    """Words so long that one letter wrong, missing or too many makes no other word of them."""
    slips: Mapping[str, str]
    """Shorter words with one slip in them: "alonr" may be "alone" where that makes a request."""
    run_together: frozenset[str]
    """Words that people write without a space between them: "stoptextingme"."""

    def words(self, text: str) -> list[str]:
        """Return the text's words as the grammar spells them, with a BREAK between clauses."""
        said = _PARTED_NEGATION.sub(r"\1t", plain(text))
        said = _SPACED_OUT.sub(self._joined, said)
        found: list[str] = []
        for word in tokens(said):
            if word != BREAK:
                found += self._meant(word).split()
            elif found and found[-1] != BREAK:
                found.append(BREAK)
        return found

    def mended(self, words: Sequence[str]) -> list[str]:
        """Return the words as they were perhaps meant, to be read a second time."""
        found: list[str] = []
        for word in words:
            meant = self.slips.get(word, word)
            found += _parted(meant, self.run_together) or [meant]
        return found

    def _joined(self, letters: re.Match[str]) -> str:
        word = "".join(c for c in letters[0] if c.isalnum())
        return word if word in self.vocabulary else letters[0]

    def _meant(self, word: str) -> str:
        if word in self.corrections:
            return self.corrections[word]
        if word in self.vocabulary:
            return word
        for other in _undisguised(word):
            if other in self.corrections or other in self.vocabulary:
                return self.corrections.get(other, other)
        return next((long for long in self.long_words if _one_letter_off(word, long)), word)


def plain(text: str) -> str:
    """Return the text without case, accents and ornament; of a very long one, its beginning."""
    said = text.strip()[:CHARS_MAX].translate(_APOSTROPHES)
    said = unicodedata.normalize("NFC", said).casefold()
    for word, other in _TOLD_APART.items():
        said = said.replace(word, other)
    parted = unicodedata.normalize("NFKD", said)[:_PARTS_MAX].casefold()
    seen = "".join(c for c in parted if not _is_unseen(c))
    return (
        unicodedata.normalize("NFC", seen).translate(_PLAIN).replace("æ", "ae")[:CHARS_MAX].strip()
    )


def tokens(said: str) -> Iterator[str]:
    """Yield the words of a plain text, and a BREAK wherever a mark parts two clauses."""
    for found in _WORD_OR_BREAK.finditer(said):
        if found["break"]:
            yield BREAK
        else:
            yield "fuck" if found["swearing"] else "number" if found["number"] else found[0]


def _is_unseen(char: str) -> bool:
    match unicodedata.category(char):
        case "Cf" | "Me":
            return True
        case "Mn":
            mark = unicodedata.combining(char)
            return mark == _NUKTA or mark >= _ACCENTS_FROM or ord(char) in _VARIATION_SELECTORS
        case _:
            return False


def _undisguised(word: str) -> Iterator[str]:
    """Yield what the word may be underneath; nothing where it is as it looks."""
    bare = word.translate(_LOOK_ALIKES)
    if bare != word:
        yield bare
    if any(c.isdigit() for c in bare) and any(c.isalpha() for c in bare):
        yield bare.translate(_DIGITS)
    if _STRETCHED.search(bare):
        for times in (r"\1\1", r"\1"):
            shrunk = _STRETCHED.sub(times, bare)
            if shrunk != "no":  # "nooooo" is a cry
                yield shrunk


def slips_of(word: str) -> Iterator[str]:
    """Yield the word with one slip: a letter more, less or changed, or two swapped."""
    for at in range(len(word) + 1):
        before, after = word[:at], word[at:]
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]
        for letter in ascii_lowercase:
            yield before + letter + after
            yield before + letter + after[1:]


def _parted(word: str, known: Collection[str]) -> list[str]:
    """Return the known words that the word is made of, each the longest; none for a short one."""
    found: list[str] = []
    while word:
        if len(found) == _PARTED_WORDS_MAX or not (
            part := max((one for one in known if word.startswith(one)), key=len, default="")
        ):
            return []
        found.append(part)
        word = word.removeprefix(part)
    return found


def _one_letter_off(word: str, other: str) -> bool:
    """Say whether one letter more, less or changed, or two swapped, make one of the other."""
    if abs(len(word) - len(other)) > 1:
        return False
    same = next((i for i, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), None)
    if same is None:
        return True
    rest, others = word[same:], other[same:]
    swapped = rest[:2] == others[:2][::-1] and rest[2:] == others[2:]
    return swapped or others[1:] in {rest[1:], rest} or others == rest[1:]
