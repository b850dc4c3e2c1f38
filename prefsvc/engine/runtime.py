"""Who holds a data directory, and what it says of its server."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from prefsvc.engine import sockets
from prefsvc.engine.directory import DataDirectory
from prefsvc.errors import EngineInUse

POLL_SECONDS = 0.05
Kind = Literal["service", "command"]


@dataclass(frozen=True, slots=True)
class Notice:
    """What the holder of a data directory says of itself."""

    kind: Kind
    pid: int
    sockets: str = ""  # empty until its server is ready

    @property
    def is_serving(self) -> bool:
        """Whether it is a service whose server can be connected to.

        For a directory whose lock is held: then the notice is the holder's. Its process is not
        looked for, since it may run in another container.
        """
        is_ready = self.kind == "service" and bool(self.sockets)
        return is_ready and sockets.answers(Path(self.sockets))


def read(directory: DataDirectory) -> Notice | None:
    """Return the last holder's notice."""
    try:
        said = json.loads(directory.notice.read_text("utf-8"))
        return Notice(kind=said["kind"], pid=int(said["pid"]), sockets=str(said["sockets"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def announce(directory: DataDirectory, notice: Notice) -> None:
    """Tell the others."""
    directory.write(directory.notice, json.dumps(asdict(notice)) + "\n")


@contextmanager
def announced(directory: DataDirectory, kind: Kind) -> Iterator[Notice | None]:
    """Say that we hold the directory while the block runs; yield what a killed holder left."""
    before = read(directory)
    announce(directory, Notice(kind, os.getpid()))
    try:
        yield before
    finally:
        directory.notice.unlink(missing_ok=True)


@contextmanager
def lock(file: Path) -> Iterator[bool]:
    """Lock a file while the block runs, if no other process has; say whether."""
    # Not inherited by children, so that it is free as soon as we are gone, however we went.
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def claimed(directory: DataDirectory, kind: Kind, patience_seconds: float) -> Iterator[Path | None]:
    """Hold the directory while the block runs; a command may share a service's server instead.

    Yields the folder of that server's socket, or None to the holder. Two services are refused at
    once; commands take turns.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        with lock(directory.lock) as is_ours:
            if is_ours:
                yield None
                return
        holder = read(directory)
        if kind == "command" and holder and holder.is_serving:
            yield Path(holder.sockets)
            return
        _refuse_or_wait(directory, kind, holder, deadline)


def _refuse_or_wait(
    directory: DataDirectory, kind: Kind, holder: Notice | None, deadline: float
) -> None:
    if kind == "service" and holder and holder.kind == "service":
        raise EngineInUse(
            f"another prefsvc (process {holder.pid}) already serves {directory.root}; stop it "
            "first, or give this one a data directory of its own"
        )
    if time.monotonic() > deadline:
        who = f"process {holder.pid}" if holder else "another process"
        raise EngineInUse(
            f"{directory.root} is held by a prefsvc {holder.kind if holder else ''} ({who}) whose "
            "database cannot be shared now; try again when it has finished"
        )
    time.sleep(POLL_SECONDS)
