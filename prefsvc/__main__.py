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
    if sys.argv[1:2] == ["serve"]:
        return _serve(sys.argv[2:])
    from prefsvc.cli.main import main as run  # noqa: PLC0415

    return run()


def _serve(arguments: list[str]) -> int:
    """Run the service; a parent of workers need not load what they do."""
    from argparse import ArgumentParser  # noqa: PLC0415

    from prefsvc.cli import running, serve  # noqa: PLC0415

    parser = ArgumentParser(prog="prefsvc serve", description="Run the service until told to stop.")
    serve.with_arguments(parser)
    return running.run(parser.parse_args(arguments))


__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
