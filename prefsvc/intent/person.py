"""Whether a text says, by a name, that its writer is not the person who was meant.

Any name counts, and no list could hold them all: only its capital tells "not Denise" from "not
sure". The phrases of languages/*.toml know the other ways to say so.
"""

import re
from typing import Final

_GAP: Final = r"\W{0,20}"
_NAME: Final = r"[A-Z][a-z]+(?:['\u2019]s)?"
_ISNT: Final = r"(?:this|that)(?: is not| is ?n['\u2019]?t| ain['\u2019]?t)"
_NOT: Final = rf"(?i:no|not|i(?: a|['\u2019]?)m not|{_ISNT})"
_IS_NOT: Final = re.compile(
    rf"{_GAP}(?:(?i:sorry|no|nope|hi|hey)\W{{1,20}})?{_NOT} {_NAME}(?: (?i:here|phone|number))?"
    rf"(?:\W{{1,20}}(?i:sorry|anymore))?{_GAP}"
)
_DIED: Final = re.compile(
    rf"{_GAP}(?!(?:He|She|It|They|Also|Mine|My)\b){_NAME}(?: (?:is|has|was))? "
    rf"(?i:dead|deceased|died|passed)(?:(?: away)?{_GAP}\Z| (?:away|last|in|on|years) )"
)


def names_another(text: str) -> bool:
    """Say whether the text is "Not Denise", "Denise died" or the like."""
    return bool(_IS_NOT.fullmatch(text) or _DIED.match(text))
