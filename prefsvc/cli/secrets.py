"""`prefsvc secrets make`: the secrets, once, for every machine of an installation to share."""

from argparse import Namespace
from pathlib import Path

from prefsvc.cli.context import Commands
from prefsvc.settings import Settings
from prefsvc.vault import make_secrets


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("secrets", help="make the secrets of an installation")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    make = actions.add_parser(
        "make", help="make those that are missing; never touch one that is there"
    )
    make.add_argument("--folder", type=Path, help="where; by default PREFSVC_SECRETS_DIR")
    make.set_defaults(run=_make)


def _make(settings: Settings, given: Namespace) -> int:
    folder = given.folder or settings.secrets_folder
    made = make_secrets(folder)
    names = ", ".join(path.name for path in made) or "nothing: all were there"
    print(f"Made {names} (in {folder}).")
    if made:
        print("Back this folder up: without the pepper no stored opt-out can be found again.")
    return 0
