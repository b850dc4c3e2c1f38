"""What a person's text message asks of the brand, in whatever words (RULES S-13, S-16).

`decide` is a function of the text alone: no network, no model, nothing learned. Each decision
names the rule that made it, and each rule is a line in languages/*.toml. docs/intent.md tells how.
"""

from prefsvc.intent.decision import Decision, Intent
from prefsvc.intent.reading import WrongNumber, decide, is_yes
from prefsvc.intent.spelling import CHARS_MAX

__all__ = ["CHARS_MAX", "Decision", "Intent", "WrongNumber", "decide", "is_yes"]
