"""The example brands that ship."""

import sys
from pathlib import Path


def examples() -> Path:
    """Find them: inside the installed package, or beside it in a checkout."""
    package = Path(sys.modules["prefsvc"].__path__[0])
    installed = package / "examples" / "brands"
    return installed if installed.is_dir() else package.parent / "deploy" / "brands"
