"""The command line: `prefsvc serve`, and what an operator needs around it."""

from prefsvc.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
