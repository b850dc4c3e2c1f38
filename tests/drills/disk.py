"""A small disk, which can be filled to the last octet."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system of its own, mounted where the service keeps something."""

    place: Path

    @property
    def _ballast(self) -> Path:
        return self.place / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        octets = bytes(1 << 20)
        with self._ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:  # others write meanwhile, so nobody can say beforehand how much fits
                file.write(octets)

    def clear(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(place: Path, *, mebibytes: int) -> Iterator[Disk | None]:
    """Mount a small disk for the block, with what the folder holds; None where we may not."""
    if os.geteuid() != 0 or not _mount(place, mebibytes):
        yield None
        return
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _mount(place: Path, mebibytes: int) -> bool:
    """Mount it and bring over what was there before, with its owners and modes."""
    before = place.with_name(place.name + ".before")
    place.rename(before)
    place.mkdir()
    status = before.stat()
    options = f"size={mebibytes}m,mode={status.st_mode & 0o7777:o},uid={status.st_uid}"
    mounting = ["mount", "-t", "tmpfs", "-o", f"{options},gid={status.st_gid}", "tmpfs", place]
    if subprocess.run(mounting, check=False, capture_output=True).returncode:
        place.rmdir()
        before.rename(place)
        return False
    subprocess.run(["cp", "-a", f"{before}/.", place], check=True)
    shutil.rmtree(before)
    return True
