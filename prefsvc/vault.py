"""The secrets: where they come from, and what is derived from them.

A secret comes from its setting, or from a file in the secrets folder. Only the embedded default
makes missing ones, once, mode 0600: several machines that each made their own would split every
address in two.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from prefsvc.errors import SecretMissing, SecretUnreadable
from prefsvc.settings import Settings

PEPPER_VERSION = 1
SECRET_BYTES = {"pepper": 32, "token_keys": 32, "sealing_key": 64, "ledger_key": 32}
DEMO_TWILIO_FILE = "twilio_auth_token"
TELNYX_KEY_BYTES: Final = 32
MAIL_EVENTS_FILE = "mail_event_secrets"
MAILBOXES_FILE = "mailbox_passwords"
_OF_ENDPOINTS: Final = b"prefsvc endpoint secret v1"
_OF_RECEIPTS: Final = b"prefsvc receipt v1"


@dataclass(frozen=True, slots=True, repr=False)
class Vault:
    """The secrets in use; never printed."""

    pepper: bytes
    token_masters: tuple[bytes, ...]
    sealing_key: bytes
    seal_key: bytes
    signing_key: Ed25519PrivateKey
    nonce_key: bytes
    twilio_tokens: tuple[tuple[str, str], ...]
    """(account SID or "", auth token) pairs; "" is any account."""
    telnyx_keys: tuple[Ed25519PublicKey, ...]
    """Telnyx' public keys; no secrets, but kept beside what checks the other provider."""
    mail_event_secrets: tuple[tuple[str, str], ...] = ()
    """(source, secret) pairs; of several for one source, each is good."""
    mailbox_passwords: tuple[tuple[str, str], ...] = ()
    """(mailbox, password) pairs."""

    @property
    def public_key(self) -> Ed25519PublicKey:
        """Return the key that checkpoints are verified with."""
        return self.signing_key.public_key()

    @property
    def pepper_fingerprint(self) -> bytes:
        """Return a digest that tells peppers apart and gives none away."""
        return hashlib.sha256(b"prefsvc pepper fingerprint\0" + self.pepper).digest()

    @property
    def ledger_fingerprint(self) -> bytes:
        """Return the verifying key, which tells ledger keys apart."""
        return self.public_key.public_bytes_raw()

    def seal_sha256(self, address_key: bytes, sha256: bytes) -> bytes:
        """Seal an address's SHA-256 for its row."""
        return AESSIV(self.sealing_key).encrypt(sha256, [address_key])

    def unseal_sha256(self, address_key: bytes, sealed: bytes) -> bytes:
        """Open it again; raise InvalidTag (a fault) where the row or the key is another."""
        return AESSIV(self.sealing_key).decrypt(sealed, [address_key])

    def seal_secret(self, endpoint_id: UUID, secret: bytes) -> bytes:
        """Seal the secret that an endpoint's webhooks are signed with, for its row."""
        return AESSIV(self.sealing_key).encrypt(secret, [_OF_ENDPOINTS, endpoint_id.bytes])

    def open_secret(self, endpoint_id: UUID, sealed: bytes) -> bytes:
        """Open it again; raise InvalidTag (a fault) where the row or the key is another."""
        return AESSIV(self.sealing_key).decrypt(sealed, [_OF_ENDPOINTS, endpoint_id.bytes])

    def seal_thread(self, event_id: UUID, thread: bytes) -> bytes:
        """Seal which mail a receipt answers, for the queue: some ids have an address in them."""
        return AESSIV(self.sealing_key).encrypt(thread, [_OF_RECEIPTS, event_id.bytes])

    def open_thread(self, event_id: UUID, sealed: bytes) -> bytes:
        """Open it again; raise InvalidTag (a fault) where the row or the key is another."""
        return AESSIV(self.sealing_key).decrypt(sealed, [_OF_RECEIPTS, event_id.bytes])

    def twilio_tokens_for(self, account_sid: str) -> list[str]:
        """Return the auth tokens that may sign for an account (RULES S-10)."""
        return [token for account, token in self.twilio_tokens if account in {"", account_sid}]

    def twilio_credentials(self, account_sid: str) -> list[str]:
        """Return the tokens that are held to this account, to call Twilio's own API with."""
        return [token for account, token in self.twilio_tokens if account == account_sid]

    def mail_event_secrets_for(self, source: str) -> list[str]:
        """Return the secrets that may prove a mail provider's webhook."""
        return [secret for name, secret in self.mail_event_secrets if name == source]

    def mailbox_password(self, mailbox: str) -> str | None:
        """Return what a mailbox is opened with; None where nobody gave it."""
        return dict(self.mailbox_passwords).get(mailbox)


def open_vault(settings: Settings, *, make_missing: bool) -> Vault:
    """Read the secrets, making those that are missing where that is safe."""
    folder = settings.secrets_folder
    if make_missing:
        make_secrets(folder)

    def secret(name: str) -> list[bytes]:
        given = getattr(settings, name)
        text = given.get_secret_value() if given else _read(folder / name)
        return _decoded(name, text.replace(",", "\n").split())

    return _vault(secret, settings)


def _vault(secret: Callable[[str], list[bytes]], settings: Settings) -> Vault:
    [pepper], [sealing_key], [ledger_key] = (
        secret("pepper"),
        secret("sealing_key"),
        secret("ledger_key"),
    )
    return Vault(
        pepper=pepper,
        token_masters=tuple(secret("token_keys")),
        sealing_key=sealing_key,
        seal_key=_derive(ledger_key, b"prefsvc ledger seal v1"),
        signing_key=Ed25519PrivateKey.from_private_bytes(
            _derive(ledger_key, b"prefsvc ledger signature v1")
        ),
        nonce_key=_derive(ledger_key, b"prefsvc page nonce v1"),
        twilio_tokens=tuple(_account_and_token(token) for token in _twilio_tokens(settings)),
        telnyx_keys=tuple(_telnyx_key(text) for text in settings.telnyx_public_keys),
        mail_event_secrets=tuple(
            _name_and_secret(text, "MAIL_EVENT_SECRETS", "source")
            for text in _mail_event_secrets(settings)
        ),
        mailbox_passwords=tuple(
            _name_and_secret(text, "MAILBOX_PASSWORDS", "mailbox")
            for text in _mailbox_passwords(settings)
        ),
    )


def make_secrets(folder: Path) -> list[Path]:
    """Make the secrets that are missing, each readable by its owner alone; return those made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = [
            path
            for name, size in SECRET_BYTES.items()
            if write_secret(path := folder / name, _base64(secrets.token_bytes(size)))
        ]
        write_secret(folder / DEMO_TWILIO_FILE, secrets.token_hex(16))
    except OSError as e:
        raise SecretUnreadable(f"Secrets cannot be kept in {folder}: {e.strerror}.") from e
    return made


def write_secret(path: Path, text: str) -> bool:
    """Write a secret for its owner alone, unless there is one; say whether it was written."""
    if path.exists():
        return False
    # Whole or not at all, whoever is killed or reads meanwhile: only a link cannot overwrite.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _flush(path.parent)
    return True


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _twilio_tokens(settings: Settings) -> list[str]:
    if settings.twilio_auth_tokens:
        return [token.get_secret_value() for token in settings.twilio_auth_tokens]
    path = settings.secrets_folder / DEMO_TWILIO_FILE
    return _read(path).replace(",", "\n").split() if path.is_file() else []


def _mail_event_secrets(settings: Settings) -> list[str]:
    if settings.mail_event_secrets:
        return [secret.get_secret_value() for secret in settings.mail_event_secrets]
    path = settings.secrets_folder / MAIL_EVENTS_FILE
    return _read(path).replace(",", "\n").split() if path.is_file() else []


def _mailbox_passwords(settings: Settings) -> list[str]:
    if settings.mailbox_passwords:
        return [one.get_secret_value() for one in settings.mailbox_passwords]
    path = settings.secrets_folder / MAILBOXES_FILE
    # By lines alone: people choose passwords with commas and blanks in them.
    return [line for line in _read(path).splitlines() if line] if path.is_file() else []


def _name_and_secret(text: str, setting: str, kind: str) -> tuple[str, str]:
    name, _, secret = text.partition(":")
    if name and secret:
        return (name, secret)
    raise SecretUnreadable(
        f"Each of PREFSVC_{setting} must be a {kind} of a brand's file, a colon and its secret; "
        "one is not."
    )


def _account_and_token(text: str) -> tuple[str, str]:
    account, _, token = text.rpartition(":")
    return (account, token)


def _telnyx_key(text: str) -> Ed25519PublicKey:
    raw = _unbase64(text)
    # For a key of zeros, a placeholder's, anybody can find signatures: it is a point of order 4.
    if len(raw) != TELNYX_KEY_BYTES or not any(raw):
        raise SecretUnreadable(
            f"PREFSVC_TELNYX_PUBLIC_KEYS must be public keys of {TELNYX_KEY_BYTES} bytes in base64,"
            " as Telnyx' portal shows them under Keys & Credentials."
        )
    return Ed25519PublicKey.from_public_bytes(raw)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        raise SecretMissing(
            f"The secret {path.name} is missing: set PREFSVC_{path.name.upper()}, or run "
            f"`prefsvc secrets make` once and give every machine the same folder ({path.parent})."
        ) from None
    except OSError as e:
        raise SecretUnreadable(f"The secret file {path} cannot be read: {e.strerror}.") from e
    except UnicodeDecodeError:
        raise SecretUnreadable(f"The secret file {path} is not base64 text.") from None


def _decoded(name: str, parts: list[str]) -> list[bytes]:
    if not parts or (len(parts) > 1 and name != "token_keys"):
        raise SecretUnreadable(
            f"The secret {name} must be one key, not {len(parts)}; only token_keys may be several."
        )
    return [_decode(name, part) for part in parts]


def _decode(name: str, text: str) -> bytes:
    raw = _unbase64(text)
    if len(raw) != SECRET_BYTES[name]:
        raise SecretUnreadable(
            f"The secret {name} must be {SECRET_BYTES[name]} bytes in base64; "
            "`prefsvc secrets make` makes a good one."
        )
    return raw


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # not base64, or not even ASCII
        return b""


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _derive(key: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=info).derive(key)
