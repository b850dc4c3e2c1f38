"""How mails of each kind are read, and which are misread: `make mail-report`.

Reads the corpora at PREFSVC_CORPORA, which are kept outside the project.
"""

import os
import sys
from pathlib import Path

from prefsvc.mail import read
from tests.unit.mail.corpora import sets

CORPORA = Path(
    os.environ.get("PREFSVC_CORPORA") or Path(__file__).parents[4] / "shared" / "corpora"
)


def main() -> None:
    """Print the table, then every message that was misread."""
    if not CORPORA.is_dir():
        sys.exit("no corpora at PREFSVC_CORPORA: they are kept outside the project")
    misread = []
    print("| set | messages | right | wrong |")
    print("|---|---:|---:|---:|")
    for name, samples in sets(CORPORA).items():
        wrong = [(sample, found) for sample in samples if (found := _misread(sample))]
        print(f"| {name} | {len(samples)} | {len(samples) - len(wrong)} | {len(wrong)} |")
        misread += [(name, *one) for one in wrong]
    for name, sample, found in misread:
        expected = "/".join(sample.right)
        print(f"\n{name}: {found.outcome} ({found.why}) for {expected}:\n  {sample.name}")


def _misread(sample):
    found = read(sample.raw)
    return found if found.outcome not in sample.right else None


if __name__ == "__main__":
    main()
