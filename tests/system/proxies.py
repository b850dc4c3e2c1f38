"""nginx and Caddy, running the examples of deploy/ on free ports, and something behind them."""

import asyncio
import os
import random
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DEPLOY = Path(__file__).parents[2] / "deploy"
HOST = "stop.example.com"
_PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy on this machine."""

    https_port: int
    http_port: int
    folder: Path

    def logged(self) -> str:
        """Return all that it has logged."""
        return "".join(log.read_text() for log in self.folder.glob("*.log"))


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived behind the proxy."""

    method: str
    raw_path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Upstream:
    """Stands for prefsvc: notes what arrives, reads 4 KiB of a link's body, holds feeds open."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        is_link = request.raw_path.startswith("/u/")
        body = await (request.content.read(4096) if is_link else request.read())
        self.seen.append(Seen(request.method, request.raw_path, dict(request.headers), body))
        if "/feed" in request.path:
            return await self._stream(request)
        return web.Response(text="from upstream")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first line\n")
        await self.may_end.wait()
        await response.write(b"last line\n")
        return response


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    """Run an upstream on a free port."""
    one = Upstream()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{anything:.*}", one.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    one.port = listener.getsockname()[1]
    await web.SockSite(runner, listener).start()
    try:
        yield one
    finally:
        await runner.cleanup()


@asynccontextmanager
async def nginx(folder: Path, upstream_port: int) -> AsyncIterator[Proxy]:
    """Run nginx with deploy/nginx.conf.example."""
    program = _program("nginx")
    proxy = Proxy(_free_port(), _free_port(), folder)
    _make_certificate(folder)
    example = _with(
        (DEPLOY / "nginx.conf.example").read_text(),
        {
            "listen 443 ssl": f"listen 127.0.0.1:{proxy.https_port} ssl",
            "listen 80": f"listen 127.0.0.1:{proxy.http_port}",
            "127.0.0.1:8080": f"127.0.0.1:{upstream_port}",
            f"/etc/letsencrypt/live/{HOST}": str(folder),
            "/var/log/nginx": str(folder),
        },
    )
    (folder / "prefsvc.conf").write_text(example)
    # Its workers, as another account, might be unable to enter the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} pid nginx.pid; error_log main.log; events {{}} "
        "http { access_log off; client_body_temp_path body; proxy_temp_path proxy; "
        "fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s; include prefsvc.conf; }"
    )
    command = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "main.log"]
    await _run(*command, log=folder / "main.log")  # listens before it goes to the background
    try:
        yield proxy
    finally:
        await _run(*command, "-s", "stop", log=folder / "main.log")


@asynccontextmanager
async def caddy(folder: Path, upstream_port: int) -> AsyncIterator[Proxy]:
    """Run Caddy with deploy/Caddyfile."""
    program = _program("caddy")
    proxy = Proxy(_free_port(), _free_port(), folder)
    admin = f"127.0.0.1:{_free_port()}"
    here = (
        f"\n\n{{\n\tadmin {admin}\n\thttp_port {proxy.http_port}\n\thttps_port {proxy.https_port}\n"
        "\tlocal_certs\n\tskip_install_trust\n\tlog {"
    )
    example = (DEPLOY / "Caddyfile").read_text()
    changes = {"\n\n{\n\tlog {": here, "127.0.0.1:8080": f"127.0.0.1:{upstream_port}"}
    (folder / "Caddyfile").write_text(_with(example, changes))
    config = str(folder / "Caddyfile")
    log = folder / "caddy.log"
    # Comes back when it serves.
    await _run(program, "start", "--adapter", "caddyfile", "--config", config, log=log)
    try:
        yield proxy
    finally:
        await _run(program, "stop", "--address", admin, log=log)


PROXIES = {"nginx": nginx, "caddy": caddy}


async def send(
    port: int, request_line: str, *, headers: str = "", body: bytes = b"", is_tls: bool = True
) -> tuple[int, dict[str, str]]:
    """Send a request byte for byte as written; return the answer's status and headers."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        reader, writer = await opened(port, request_line, headers=headers, body=body, is_tls=is_tls)
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    status, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines if line)
    return int(status.split()[1]), {name.lower(): value for name, value in fields.items()}


async def opened(
    port: int, request_line: str, *, headers: str = "", body: bytes = b"", is_tls: bool = True
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request; return the connection."""
    tls = _trusting() if is_tls else None
    name = HOST if is_tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{request_line} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{length}{headers}\r\n"
    writer.write(head.encode() + body)
    return reader, writer


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _free_port() -> int:
    # Below those that the kernel hands out, so that no other test is given it before the proxy is.
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port is free")


def _with(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"the example no longer says {old!r}"
        text = text.replace(old, new)
    return text


async def _run(*command: str, log: Path) -> None:
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(log.parent))
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | homes,
        )
    assert await process.wait() == 0, log.read_text()


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "privkey.pem").write_bytes(private)
