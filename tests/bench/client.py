"""A load generator that costs less than what it measures: keep-alive HTTP/1.1 over epoll.

It runs as a process of its own (`python -m tests.bench.client`), reads a job from standard input
and writes what came of it to standard output. The requests are made beforehand, every byte of
them. Without a rate each connection sends as soon as it was answered; with one, requests leave at
their appointed times, whatever the answers do, and their times are counted from then: a server
that falls behind is not asked less for it.
"""

import asyncio
import re
import select
import socket
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field

import msgspec

TICK_SECONDS = 0.001
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Job(msgspec.Struct):
    """What to send where, over how many connections, and how many a second."""

    host: str
    port: int
    connections: int
    requests: list[bytes]
    per_second: float | None = None
    pause_seconds: float = 0
    """Without a rate, and on one connection: so long after an answer the next is asked for."""


class Outcome(msgspec.Struct):
    """How long it took, and how long each answer did; every status with its count."""

    seconds: float
    answered: int
    statuses: dict[int, int]
    micros: list[int]

    @property
    def rate(self) -> float:
        """Return the answers a second."""
        return self.answered / self.seconds

    def quantile(self, part: float) -> float:
        """Return the milliseconds within which this part of the answers came."""
        ordered = sorted(self.micros)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] / 1000


@dataclass(slots=True)
class Connection:
    """One connection: when its request was due, and what has come of the answer."""

    socket: socket.socket
    due_at: float = 0.0
    part: bytes = b""


@dataclass(slots=True)
class Load:
    """A job under way."""

    job: Job
    poll: select.epoll = field(default_factory=select.epoll)
    by_file: dict[int, Connection] = field(default_factory=dict)
    idle: deque[Connection] = field(default_factory=deque)
    statuses: Counter[int] = field(default_factory=Counter)
    micros: list[int] = field(default_factory=list)
    sent: int = 0

    def run(self) -> Outcome:
        self.connect()
        started = time.perf_counter()
        due = self.at_once if self.job.per_second is None else self.in_time
        while len(self.micros) < len(self.job.requests):
            due(started)
            for number, _ in self.poll.poll(TICK_SECONDS if self.job.per_second else 10):
                self.receive(self.by_file[number])
        took = time.perf_counter() - started
        return Outcome(took, len(self.micros), dict(self.statuses), self.micros)

    def connect(self) -> None:
        for _ in range(self.job.connections):
            made = socket.create_connection((self.job.host, self.job.port), timeout=30)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.by_file[made.fileno()] = one = Connection(made)
            self.poll.register(made.fileno(), select.EPOLLIN)
            self.idle.append(one)

    def at_once(self, _: float) -> None:
        while self.idle and self.sent < len(self.job.requests):
            self.send(self.idle.popleft(), time.perf_counter())

    def in_time(self, started: float) -> None:
        assert self.job.per_second
        if len(self.idle) == len(self.by_file):  # nothing to receive: be there to the microsecond
            due_at = started + self.sent / self.job.per_second
            time.sleep(max(0.0, due_at - time.perf_counter()))
        now = time.perf_counter()
        due = min(len(self.job.requests), int((now - started) * self.job.per_second))
        while self.idle and self.sent < due:
            self.send(self.idle.popleft(), started + self.sent / self.job.per_second)

    def send(self, one: Connection, due_at: float) -> None:
        one.due_at = due_at
        one.socket.sendall(self.job.requests[self.sent])
        self.sent += 1

    def receive(self, one: Connection) -> None:
        arrived = one.socket.recv(1 << 18)
        if not arrived:
            raise ConnectionError("the server closed a connection")
        one.part += arrived
        head = one.part.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(one.part, 0, head + 2)
        if length is None or len(one.part) < head + 4 + int(length[1]):
            return
        now = time.perf_counter()
        self.micros.append(int((now - one.due_at) * 1e6))
        self.statuses[int(one.part[9:12])] += 1
        one.part = b""
        if self.job.per_second is None and self.sent < len(self.job.requests):
            if self.job.pause_seconds:
                time.sleep(self.job.pause_seconds)
            self.send(one, time.perf_counter())
        else:
            self.idle.append(one)


async def load(job: Job) -> Outcome:
    """Run a job in a process of its own; refuse what was not all answered with success."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.client",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(msgspec.msgpack.encode(job))
    outcome = msgspec.msgpack.decode(out, type=Outcome)
    if any(status >= 300 for status in outcome.statuses):
        raise RuntimeError(f"answers that are no success: {outcome.statuses}")
    return outcome


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Write a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def main() -> None:
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.msgpack.encode(Load(job).run()))


if __name__ == "__main__":
    main()
