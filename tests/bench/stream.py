"""Reading a list to its end, in a process of its own, as fast as a socket gives it.

`python -m tests.bench.stream` reads host, port and request from standard input.
"""

import asyncio
import socket
import sys
import time

import msgspec


class Wanted(msgspec.Struct):
    """A request that is answered until the connection ends."""

    port: int
    request: bytes


class Read(msgspec.Struct):
    """How long it took and how much it was."""

    seconds: float
    byte_count: int
    is_whole: bool


async def read(port: int, request: bytes) -> Read:
    """Read an answer; refuse one that broke off before its last line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.stream",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, _ = await process.communicate(msgspec.msgpack.encode(Wanted(port, request)))
    finally:
        if process.returncode is None:  # whoever waited has given up
            process.kill()
            await process.wait()
    done = msgspec.msgpack.decode(out, type=Read)
    if not done.is_whole:
        raise RuntimeError("the list broke off")
    return done


def main() -> None:
    wanted = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Wanted)
    room, count, last = bytearray(1 << 20), 0, b""
    started = time.perf_counter()
    with socket.create_connection(("127.0.0.1", wanted.port)) as connection:
        connection.sendall(wanted.request)
        while size := connection.recv_into(room):
            count += size
            last = (last + room[max(0, size - 4096) : size])[-4096:]
    took = time.perf_counter() - started
    is_readable = b"gzip" not in wanted.request
    is_whole = last.endswith(b"0\r\n\r\n") and (b'"end":true' in last or not is_readable)
    done = Read(took, count, is_whole)
    sys.stdout.buffer.write(msgspec.msgpack.encode(done))


if __name__ == "__main__":
    main()
