"""A name server on loopback, over UDP, which says what a test has published."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """What is published; `is_silent` answers nobody, as a server that is away."""

    records: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    is_silent: bool = False
    fails: bool = False
    transport: object = None

    @property
    def place(self):
        """Where it answers, as the setting dns_servers has it."""
        host, port = self.transport.get_extra_info("sockname")[:2]
        return f"{host}:{port}"

    def publish(self, name, text, kind="TXT"):
        """Publish a record; a text is cut into strings as DNS wants them."""
        cut = [text[at : at + 250] for at in range(0, len(text), 250)] or [""]
        quoted = " ".join(f'"{one}"' for one in cut) if kind == "TXT" else text
        self.records.setdefault((name.lower(), kind), []).append(quoted)

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        question = dns.message.from_wire(data)
        [asked] = question.question
        name = asked.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((name, kind))
        if not self.is_silent:
            self.transport.sendto(self._answer(question, asked, name, kind).to_wire(), address)

    def _answer(self, question, asked, name, kind):
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.AA
        if self.fails:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif found := self.records.get((name, kind)):
            answer.answer.append(dns.rrset.from_text_list(asked.name, 60, "IN", kind, found))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


@asynccontextmanager
async def name_server():
    """Answer for the block."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
