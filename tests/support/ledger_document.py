"""The blocks of docs/ledger.md: its statement, its program and its worked example."""

import json
import re
from pathlib import Path

_TEXT = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text("utf-8")


def _block(language):
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", _TEXT, re.MULTILINE | re.DOTALL)
    return found


EXPORT = _block("sql")
VECTOR = json.loads(_block("json"))


def vouched_for(*arguments):
    """Run the document's own program."""
    names = {}
    exec(compile(_block("python"), "docs/ledger.md", "exec"), names)
    return names["vouched_for"](*arguments)
