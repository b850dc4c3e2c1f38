"""An IMAP server that says what it is told to: for what no sound server does."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.mailbox.conftest import mail

RAW = mail()
FETCHED = (
    f'* 1 FETCH (UID 7 RFC822.SIZE {len(RAW)} INTERNALDATE "02-Mar-2026 09:00:00 +0000"'
    f" BODY[]<0> {{{len(RAW)}}}\r\n{RAW.decode()})"
)
SOUND = {
    "CAPABILITY": ["* CAPABILITY IMAP4rev1"],
    "SELECT": [
        "* 1 EXISTS",
        "* OK [UIDVALIDITY 1] here",
        r"* OK [PERMANENTFLAGS (\Seen \Flagged \Deleted \*)] kept",
    ],
    "UID SEARCH": ["* SEARCH 7"],
    "UID FETCH": [FETCHED],
    "LOGOUT": ["* BYE"],
}


@dataclass
class Scripted:
    """What it says to each command, how it ends, and what it was asked."""

    script: dict
    greeting: str = "* OK ready"
    refusals: dict = field(default_factory=dict)
    hangs_up_at: str = ""
    asked: list = field(default_factory=list)
    port: int = 0

    async def talk(self, reader, writer):
        writer.write(f"{self.greeting}\r\n".encode())
        try:
            while line := (await reader.readline()).decode():
                tag, _, rest = line.strip().partition(" ")
                words = rest.upper().split(" ")
                command = " ".join(words[:2]) if words[0] == "UID" else words[0]
                self.asked.append(command)
                if command == self.hangs_up_at:
                    break
                said = [*self.script.get(command, [])]
                said.append(f"{tag} {self.refusals.get(command, 'OK done')}")
                writer.write("".join(f"{one}\r\n" for one in said).encode())
        except asyncio.CancelledError:
            return
        finally:
            writer.transport.abort()


@asynccontextmanager
async def scripted(script=SOUND, **how):
    """Serve it for the block."""
    made = Scripted(script, **how)
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made
