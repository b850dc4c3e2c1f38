import asyncio
import ipaddress
import socket
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.errors import InvalidTarget, TargetForbidden
from prefsvc.outward import webhook
from prefsvc.outward.guard import Guard, behind, checked_url, is_public
from prefsvc.settings import Settings
from tests.support.receiver import listening, receiving

NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1",
    "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1",
    "2001::1", "2001:db8::1", "3fff::1", "2002:7f00:1::", "2002:a00:1::1", "fc00::1",
    "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "4000::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8",
    "64:ff9b::808:808", "2a00:1450:4001::1",
]  # fmt: skip

# Loopback in the spellings that programs have been fooled with.
SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1",
    "017700000001", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]",
    "[0:0:0:0:0:ffff:127.0.0.1]", "localhost", "LOCALHOST", "127.0.0.1.",
]  # fmt: skip

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CLOSED = Settings(delivery_timeout_seconds=5)
OPEN = Settings(delivery_timeout_seconds=5, outward_networks_allowed="127.0.0.0/8")


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_what_is_not_public_is_known(text):
    assert not is_public(behind(ipaddress.ip_address(text)))


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public_is_known(text):
    assert is_public(behind(ipaddress.ip_address(text)))


@given(st.ip_addresses(v=4))
def test_an_address_in_disguise_is_judged_as_what_it_is(address):
    packed = address.packed
    for disguise in (
        ipaddress.IPv6Address(bytes(10) + b"\xff\xff" + packed),
        ipaddress.IPv6Address(bytes.fromhex("0064ff9b") + bytes(8) + packed),
        ipaddress.IPv6Address(b"\x20\x02" + packed + bytes(10)),
    ):
        assert is_public(behind(disguise)) == is_public(address)


def test_a_network_of_ones_own_is_open_at_any_port_and_nothing_beside_it_is():
    guard = Guard((ipaddress.ip_network("10.1.0.0/16"),), is_public_allowed=True)
    assert guard.allows(ipaddress.ip_address("10.1.2.3"), 25)
    assert guard.allows(ipaddress.ip_address("::ffff:10.1.2.3"), 80)
    assert not guard.allows(ipaddress.ip_address("10.2.0.1"), 443)


@pytest.mark.parametrize(("port", "allowed"), [(443, True), (8443, True), (22, False), (25, False)])
def test_public_ports_are_those_of_the_web(port, allowed):
    guard = Guard((), is_public_allowed=True)
    assert guard.allows(ipaddress.ip_address("8.8.8.8"), port) == allowed


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_this_machine_is_refused_in_every_spelling(host, scheme):
    with pytest.raises((TargetForbidden, InvalidTarget)):
        await checked_url(CLOSED, f"{scheme}://{host}:8443/hook")


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_nothing_is_connected_to_whatever_was_registered(host, scheme):
    async with listening() as (port, visitors), webhook.webhooks(CLOSED) as client:
        answer = await client.post(f"{scheme}://{host}:{port}/hook", "id", NOW, b"{}", [b"secret"])
        assert answer.outcome in {"forbidden_address", "not_connected", "not_understood"}
        assert visitors == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "https:///hook", "https://", "example.com/hook", "https://a:b@8.8.8.8/",
        "https://user@8.8.8.8/", "https://8.8.8.8/#part", "https://8.8.8.8:0/", "https://8.8.8.8:99999/",
        "https://[::1/", "https://8.8.8.8/" + "a" * 2048, "http://8.8.8.8/", "https://8.8.8.8:25/",
        "https://no-such-host.invalid/", "https://..../", "javascript:alert(1)", "",
    ],
)  # fmt: skip
async def test_what_is_no_https_url_is_refused(url):
    with pytest.raises(InvalidTarget):
        await checked_url(CLOSED, url)


@pytest.mark.parametrize("url", ["https://8.8.8.8/hook?key=1", "https://[2606:4700::1]:8443/"])
async def test_a_public_https_url_is_good(url):
    assert await checked_url(CLOSED, url) == url


async def test_a_network_of_ones_own_may_be_called_without_tls():
    assert await checked_url(OPEN, "http://127.0.0.1:8080/hook") == "http://127.0.0.1:8080/hook"


class Rebinding(AbstractResolver):
    """Says another address each time it is asked: one that is public first, then our own."""

    def __init__(self) -> None:
        self.said = ["8.8.8.8"]

    async def resolve(self, host, port=0, family=socket.AF_INET):  # noqa: ARG002
        address = self.said.pop() if self.said else "127.0.0.1"
        return [
            {
                "hostname": host, "host": address, "port": port, "family": socket.AF_INET,
                "proto": 0, "flags": 0,
            }
        ]  # fmt: skip

    async def close(self):
        pass


async def test_a_name_that_changes_its_mind_is_not_connected_to():
    resolver = Rebinding()
    assert (await resolver.resolve("rebound.example.com"))[0]["host"] == "8.8.8.8"
    async with listening() as (port, visitors), webhook.webhooks(CLOSED) as client:
        client.sessions["https"].connector._resolver = resolver
        url = f"https://rebound.example.com:{port}/"
        answer = await client.post(url, "id", NOW, b"{}", [b"secret"])
        assert (answer.outcome, visitors) == ("forbidden_address", [])


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    async with listening() as (port, visitors), webhook.webhooks(CLOSED) as client:
        for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        answer = await client.post("http://127.0.0.1:9/", "id", NOW, b"{}", [b"secret"])
        assert (answer.outcome, visitors) == ("forbidden_address", [])


async def test_a_redirect_is_a_failure_and_not_followed():
    async def redirect(_):
        return web.Response(status=307, headers={"Location": f"http://127.0.0.1:{port}/"})

    async with (
        listening() as (port, visitors),
        receiving() as receiver,
        webhook.webhooks(OPEN) as client,
    ):
        receiver.answers = [redirect]
        answer = await client.post(receiver.url, "id", NOW, b"{}", [b"secret"])
        assert (answer.outcome, answer.status, visitors) == ("redirected", 307, [])


async def test_an_endless_answer_is_cut_off():
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        finally:
            ended.set()

    ended = asyncio.Event()
    async with receiving() as receiver, webhook.webhooks(OPEN) as client:
        receiver.answers = [endless]
        answer = await client.post(receiver.url, "id", NOW, b"{}", [b"secret"])
        assert answer.outcome == "delivered"
        await asyncio.wait_for(ended.wait(), 20)


async def test_an_answer_that_does_not_come_is_not_waited_for():
    async def silent(_):
        await done.wait()
        return web.Response()

    done = asyncio.Event()
    settings = Settings(delivery_timeout_seconds=0.05, outward_networks_allowed="127.0.0.0/8")
    async with receiving() as receiver, webhook.webhooks(settings) as client:
        receiver.answers = [silent]
        answer = await client.post(receiver.url, "id", NOW, b"{}", [b"secret"])
        done.set()
        assert answer.outcome == "timed_out"


async def test_what_is_no_http_is_not_understood():
    async def babble(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server, webhook.webhooks(OPEN) as client:
        port = server.sockets[0].getsockname()[1]
        answer = await client.post(f"http://127.0.0.1:{port}/", "id", NOW, b"{}", [b"secret"])
        assert answer.outcome == "not_understood"


async def test_without_a_certificate_that_somebody_vouches_for_there_is_no_delivery():
    async with listening() as (port, visitors), webhook.webhooks(OPEN) as client:
        answer = await client.post(f"https://127.0.0.1:{port}/", "id", NOW, b"{}", [b"secret"])
        assert answer.outcome == "not_connected"
        assert len(visitors) == 1
