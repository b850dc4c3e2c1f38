"""A service or command of its own process: holds an engine until its standard input closes.

Run as a script with its wishes as JSON; says what became of them as one line of JSON.
"""

import json
import sys
import threading
from pathlib import Path

from prefsvc.engine import connected, running
from prefsvc.errors import Refusal


def main(wishes):
    try:
        kinds = {"service": serve, "thread": serve_in_thread, "command": command}
        kinds[wishes.pop("kind")](**{name: Path(value) for name, value in wishes.items()})
    except Refusal as refusal:
        say(refused=type(refusal).__name__, detail=str(refusal))
        sys.exit(3)


def say(**said):
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def serve(data_dir, **options):
    with running(data_dir, **options) as engine:
        say(pid=engine.pid, dsn=engine.dsn, version=engine.version)
        sys.stdin.read()


def serve_in_thread(data_dir, **options):
    thread = threading.Thread(target=serve, args=[data_dir], kwargs=options)
    thread.start()
    thread.join()


def command(data_dir, **options):
    with connected(data_dir, **options) as dsn:
        say(dsn=dsn)
        sys.stdin.read()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
