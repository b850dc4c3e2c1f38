"""The command line: `prefsvc serve`, and what an operator needs around it."""

import sys


def main() -> int:
    """Run a command; only what it needs is loaded."""
    if sys.argv[1:2] == ["intent"]:
        from prefsvc.cli import intent  # noqa: PLC0415 - starts in a tenth of the time

        return intent.main(sys.argv[2:])
    if sys.argv[1:2] == ["mail"]:
        from prefsvc.cli import mail  # noqa: PLC0415 - the same, and it needs no settings

        if not mail.ACTIONS.isdisjoint(sys.argv[2:3]):
            return mail.main(sys.argv[2:])
    from prefsvc.cli.main import main as run  # noqa: PLC0415

    return run()


__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
