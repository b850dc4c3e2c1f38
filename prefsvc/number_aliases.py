"""The other spellings of a phone number: two E.164 numbers that reach one subscriber.

Pure. Numbering plans changed, and lists did not: a sender may hold either spelling, a network may
report either. What is equal here may only ever suppress more (DESIGN §5): nobody is subscribed, and
no two people are merged, because one number looks like another. Both arguments and results are
canonical (`+` and digits); a country that is not in the table has one spelling for each number.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Spellings:
    """Two ways to write one number: what stands before the digits that both of them share."""

    one: str
    other: str
    shared: re.Pattern[str]
    """The digits that both have, as far as the rule is sure of them."""

    def of(self, e164: str) -> Iterator[str]:
        """Return how a number is written in the other of the two ways, if it is in one of them."""
        for here, there in ((self.one, self.other), (self.other, self.one)):
            if e164.startswith(here) and self.shared.fullmatch(e164, len(here)):
                yield there + e164[len(here) :]


def _spellings(one: str, other: str, shared: str) -> Spellings:
    return Spellings(one, other, re.compile(shared, re.ASCII))


# Mexico: calls from abroad to a mobile had a 1 before its ten digits until 3 August 2019 (IFT, Plan
# Técnico Fundamental de Numeración, 2018). WhatsApp and some carriers still report it.
_MEXICO: Final = [_spellings("+521", "+52", r"[2-9]\d{9}")]

# Argentina: a 9 before the area code says mobile, and lists leave it out (libphonenumber's FAQ).
# Area code and number have ten digits in all; area codes are 11, or begin with 2 or 3.
_ARGENTINA: Final = [_spellings("+549", "+54", r"(?:11|[23]\d)\d{8}")]

# Brazil: every mobile got a 9 before its eight digits, region by region from 2012 until 6 November
# 2016 (Anatel, Resolução 553/2010). Mobiles began with 6 to 9; what begins with 2 to 5 is a
# landline and never got one.
_BRAZIL: Final = [
    _spellings(f"+55{area}9", f"+55{area}", r"[6-9]\d{7}")
    for area in range(11, 100)
    if area % 10
]  # fmt: skip

# Côte d'Ivoire: eight digits became ten on 31 January 2021, each operator putting its prefix before
# its old numbers (ARTCI): Orange 07, MTN 05, Moov 01; on landlines 27, 25, 21. Which numbers were
# whose, by their first digits, is told by the list of prefixes in French Wikipedia ("Liste des
# indicatifs téléphoniques en Côte d'Ivoire"), and libphonenumber's patterns of 2020 agree on the
# landlines. A number that was ported kept the prefix of whose block it was in.
_COTE_D_IVOIRE: Final = [
    _spellings("+22507", "+225", r"(?:0[789]|[4-8][789]|9[78])\d{6}"),
    _spellings("+22505", "+225", r"(?:0[456]|[4-9][456])\d{6}"),
    _spellings("+22501", "+225", r"(?:0[123]|[457][0-3])\d{6}"),
    _spellings(
        "+22527",
        "+225",
        r"(?:20[23]|21[2357]|22[45]|23[45]|24[345]|306|31[69]|3[234]7|359|368)\d{5}",
    ),
    _spellings("+22525", "+225", r"(?:2[0-4]0|3[0-6]0)\d{5}"),
    _spellings("+22521", "+225", r"2[0-3]8\d{5}"),
]

_BY_COUNTRY_CODE: Final[dict[str, Iterable[Spellings]]] = {
    "+225": _COTE_D_IVOIRE,
    "+52": _MEXICO,
    "+54": _ARGENTINA,
    "+55": _BRAZIL,
}


def aliases(e164: str) -> tuple[str, ...]:
    """Return the other spellings of a number, never itself; mostly there are none.

    Symmetric: a number is among the aliases of each of its own.
    """
    for code, rules in _BY_COUNTRY_CODE.items():
        if e164.startswith(code):
            return tuple(other for rule in rules for other in rule.of(e164))
    return ()
