"""A real IMAP server: Dovecot, unprivileged, on loopback, with its mail in a temporary folder."""

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from imapclient import IMAPClient

from tests.support.running_service import LIMIT_SECONDS, until

PROGRAM = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
PASSWORD = "s3cret pass wörd"
DOMAIN = "mail.acme.example.com"

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
auth_failure_delay = 0
mail_max_userip_connections = 100
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{folder}/tls.pem
ssl_key = <{folder}/tls.pem
mail_location = sdbox:{folder}/mail/%u
imap_capability = {capability}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


def version():
    """Return Dovecot's version, as "2.3"; empty where there is none."""
    if PROGRAM is None:
        return ""
    told = subprocess.run([PROGRAM, "--version"], check=True, capture_output=True, text=True)
    return ".".join(told.stdout.split(".")[:2])


needed = pytest.mark.skipif(
    version() != "2.3", reason="Dovecot 2.3 (dovecot-imapd) is not installed"
)


@dataclass
class Dovecot:
    """A server, and what its mailboxes look like to somebody who logs in."""

    folder: Path
    port: int
    tls_port: int
    account: pwd.struct_passwd
    process: subprocess.Popen | None = None
    capability: str = ""
    users: list[str] = field(default_factory=lambda: [f"box{n}@{DOMAIN}" for n in range(500)])

    def new_user(self):
        """Return somebody who has a mailbox that nobody has used."""
        return self.users.pop(0)

    def start(self):
        made = CONFIGURATION.format(
            folder=self.folder,
            user=self.account.pw_name,
            group=_group(self.account),
            uid=self.account.pw_uid,
            gid=self.account.pw_gid,
            port=self.port,
            tls_port=self.tls_port,
            capability=self.capability,
        )
        (self.folder / "dovecot.conf").write_text(made)
        (self.folder / "users").write_text("".join(f"{one}:{PASSWORD}\n" for one in self.users))
        as_root = os.geteuid() == 0
        who = {"user": self.account.pw_uid, "group": self.account.pw_gid} if as_root else {}
        self.process = subprocess.Popen(
            [PROGRAM, "-F", "-c", self.folder / "dovecot.conf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            extra_groups=[] if as_root else None,
            **who,
        )
        until(lambda: self._answers() or self.process.poll() is not None)
        assert self.process.poll() is None, (self.folder / "log").read_text()

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
                return line.recv(4) == b"* OK"
        except OSError:
            return False

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(LIMIT_SECONDS)

    @contextmanager
    def client(self, user, folder="INBOX"):
        """Log in as the mailbox's owner."""
        with IMAPClient("127.0.0.1", self.port, ssl=False, timeout=30) as client:
            client.plain_login(user, PASSWORD)
            client.select_folder(folder)
            yield client

    def deliver(self, user, *mails, at=None, folder="INBOX"):
        """Put mails into a mailbox, as they are."""
        with self.client(user) as client:
            for raw in mails:
                client.append(folder, raw, msg_time=at)

    def flags(self, user, folder="INBOX"):
        """Return the flags of each mail, without \\Recent, in the order in which they came."""
        with self.client(user, folder) as client:
            found = client.get_flags(client.search())
        return [
            {flag.decode() for flag in flags} - {"\\Recent"} for _, flags in sorted(found.items())
        ]

    @property
    def log(self):
        return (self.folder / "log").read_text()


@contextmanager
def serving(capability="") -> Iterator[Dovecot]:
    """Run a server for the block."""
    root = os.geteuid() == 0
    account = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.geteuid())
    with tempfile.TemporaryDirectory(prefix="dovecot ") as name:
        folder = Path(name)
        (folder / "tls.pem").write_bytes(certificate())
        if root:
            shutil.chown(folder, account.pw_uid, account.pw_gid)
        server = Dovecot(folder, free_port(), free_port(), account, capability=capability)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def certificate():
    """Return a certificate of its own for 127.0.0.1, with its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.public_bytes(pem) + key.private_bytes(pem, *plain)


def free_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as line:
        return line.getsockname()[1]


def _group(account):
    return grp.getgrgid(account.pw_gid).gr_name
