"""Reads mails that nobody would write, for a while: `make mail-fuzz`.

Half of the time atheris damages messages so as to reach every branch (where it is installed:
it has no wheels for other systems than Linux on x86-64); the rest goes to messages that repeat
something, each of twice the length of the one before: the time to read them must not grow faster.
What raises, or takes longer, is cut down to the little that still shows it and kept beside this
file, where the tests find it. The exit code is 1 if there is anything.
"""

import argparse
import hashlib
import importlib.util
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from prefsvc.mail import OCTETS_MAX, read
from tests.unit.mail.attempt import attempt
from tests.unit.mail.floods import FLOODS, HTML, MULTIPART, PLAIN, REPORT, STATUS
from tests.unit.mail.seeds import FRAGMENTS, WHOLE

FOUND = Path(__file__).with_name("found")
CORPORA = Path(os.environ.get("PREFSVC_CORPORA", "/nowhere"))
MEGABYTE = 2**20
SEED_OCTETS_MAX = 16 * 1024  # of longer ones too few are tried in a second
SECONDS_MAX = 1.0  # of a message of a megabyte
SECONDS_OF_THE_LARGEST_MAX = 4.0  # of which 4 MiB are read
GROWTH_MAX = 3.0  # of the time with twice the length
MEASURABLE_SECONDS = 0.05
HEADS = (b"", PLAIN, HTML, MULTIPART, REPORT + b"\n", REPORT + STATUS, b"Subject: ", b"To: ")


def seconds(raw: bytes) -> float:
    """What it takes to read a mail."""
    before = time.process_time()
    read(raw)
    return time.process_time() - before


def seeds() -> Iterator[bytes]:
    """Yield messages to begin with."""
    yield from WHOLE
    yield from FRAGMENTS
    yield from (make(2000) for make in FLOODS.values())
    for file in sorted((CORPORA / "email").glob("**/*")):
        if file.is_file() and file.stat().st_size <= SEED_OCTETS_MAX:
            yield file.read_bytes()


# --- what raises ----------------------------------------------------------------------------------


def guided(seconds_max: int) -> list[bytes]:
    """Let atheris damage messages, in a process of its own; return what it found."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, crashes = Path(folder, "corpus"), Path(folder, "crashes")
        corpus.mkdir()
        crashes.mkdir()
        for seed in seeds():
            (corpus / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
        words = Path(folder, "words")
        words.write_text("\n".join(f'"{_escaped(piece)}"' for piece in FRAGMENTS))
        ending = time.monotonic() + seconds_max
        while (left := int(ending - time.monotonic())) > 1:
            subprocess.run(
                [
                    *(sys.executable, "-m", "tests.unit.mail.guided", str(corpus)),
                    *(f"-dict={words}", f"-artifact_prefix={crashes}/", f"-max_total_time={left}"),
                    *(f"-max_len={SEED_OCTETS_MAX}", "-timeout=20", "-print_final_stats=1"),
                ],
                check=False,
            )
        return [file.read_bytes() for file in crashes.iterdir()]


def _escaped(piece: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in piece)


# --- what takes long ------------------------------------------------------------------------------


def grows(make: Callable[[int], bytes], octets: int) -> bool:
    """Say whether reading takes too long, or longer than in proportion to the length."""
    once, twice = (min(seconds(make(size)) for _ in range(3)) for size in (octets // 2, octets))
    is_measurable = twice > MEASURABLE_SECONDS
    return twice > SECONDS_MAX or (is_measurable and twice > GROWTH_MAX * once + 0.02)


def repeating(chance: random.Random) -> Callable[[int], bytes]:
    """Make up a message that repeats something."""
    head = chance.choice(HEADS)
    pieces = [*FRAGMENTS, *(make(60)[-40:] for make in FLOODS.values())]
    piece = b"".join(_part(chance, pieces) for _ in range(chance.randint(1, 4))) or b"x"
    return lambda octets: head + piece * (octets // len(piece))


def _part(chance: random.Random, pieces: list[bytes]) -> bytes:
    piece = chance.choice(pieces)
    start = chance.randrange(len(piece) + 1)
    return piece[start : start + chance.randint(1, 30)]


def timed(seconds_max: float) -> list[bytes]:
    """Look for messages that take too long: the known kinds first, then whatever repeats."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    ending = time.monotonic() + seconds_max
    found = []
    count = 0
    for make in itertools.chain(FLOODS.values(), iter(lambda: repeating(chance), None)):
        if time.monotonic() > ending:
            break
        count += 1
        if grows(make, MEGABYTE // 4) and grows(make, MEGABYTE):
            found.append(make(MEGABYTE))
        elif count <= len(FLOODS) and seconds(make(OCTETS_MAX)) > SECONDS_OF_THE_LARGEST_MAX:
            found.append(make(OCTETS_MAX))
    print(f"{count} repetitions were timed; those made up, from the seed {seed}")
    return found


# --- what is kept ---------------------------------------------------------------------------------


def is_bad(raw: bytes) -> bool:
    """Say whether a message shows what is wrong."""
    try:
        attempt(raw)
    except Exception:  # noqa: BLE001 - whatever it is
        return True
    return min(seconds(raw) for _ in range(2)) > SECONDS_MAX


def minimised(raw: bytes) -> bytes:
    """Cut away whatever is not needed to show it, as far as that goes in a minute."""
    size, ending = len(raw) // 2, time.monotonic() + 60
    while size:
        at = 0
        while at < len(raw) and time.monotonic() < ending:
            shorter = raw[:at] + raw[at + size :]
            if is_bad(shorter):
                raw = shorter
            else:
                at += size
        size //= 2
    return raw


def main() -> None:
    """Look for as long as was said, and keep what was found."""
    parser = argparse.ArgumentParser(prog="make mail-fuzz")
    parser.add_argument("seconds", type=int, nargs="?", default=300)
    length = parser.parse_args().seconds
    has_atheris = importlib.util.find_spec("atheris") is not None
    print("" if has_atheris else "atheris is not installed: only the time is measured")
    bad = guided(length // 2) if has_atheris else []
    bad += timed(length - length // 2)
    FOUND.mkdir(exist_ok=True)
    for raw in bad:
        small = minimised(raw) if is_bad(raw) else raw
        file = FOUND / f"{hashlib.sha256(small).hexdigest()[:12]}.eml"
        file.write_bytes(small)
        print(f"kept {file}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
