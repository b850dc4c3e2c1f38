"""What was decided about a text, and why."""

from dataclasses import dataclass
from typing import Literal

Intent = Literal["stop", "start", "help", "ask", "none"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a text asks for, and the rule that found it."""

    intent: Intent
    """`ask` is for a person to decide; `none` asks nothing of the brand's texting."""
    rule: str
    """Name of a rule in languages/*.toml or of a step in reading.py."""
    scope: str | None = None
    """Of a stop: "channel", "everything" (more than texts), or a topic in the text's words."""
    language: str | None = None
    """Of the rule, as an ISO 639-1 code; STOP, which many languages share, counts as English."""
