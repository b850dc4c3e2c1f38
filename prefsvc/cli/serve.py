"""`prefsvc serve`: the service, with its own PostgreSQL unless it is given one."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

from prefsvc.settings import WORKERS_MAX, Settings

if TYPE_CHECKING:
    from prefsvc.cli.context import Commands


def add_to(commands: "Commands") -> None:
    """Add the command."""
    parser = commands.add_parser("serve", help="run the service until told to stop")
    with_arguments(parser)


def with_arguments(parser: ArgumentParser) -> None:
    """Say what it may be told."""
    parser.add_argument(
        "--workers",
        metavar="N",
        type=_workers,
        help="how many processes serve (PREFSVC_WORKERS; by default 1)",
    )
    parser.set_defaults(run=serve)


def _workers(text: str) -> int:
    number = int(text)
    if not 1 <= number <= WORKERS_MAX:
        raise ArgumentTypeError(f"give 1 to {WORKERS_MAX}")
    return number


def serve(settings: Settings, given: Namespace) -> int:
    """Serve until told to stop."""
    if given.workers is not None:
        settings = settings.model_copy(update={"workers": given.workers})
    if settings.workers > 1:
        from prefsvc.processes import parent  # noqa: PLC0415 - serves nothing itself: half the size

        return parent.serve(settings)
    from prefsvc.processes import alone  # noqa: PLC0415 - the whole service

    return alone.serve(settings)
