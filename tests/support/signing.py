"""Signing mail with DKIM, as a person's mail provider does."""

import base64
from functools import cache

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

SELECTOR = "s1"


@cache
def rsa_key(bits=2048):
    """Make a key, once."""
    return generate_private_key(65537, bits)


@cache
def ed25519_key():
    """Make a key, once."""
    return Ed25519PrivateKey.generate()


def record(key=None, **tags):
    """Return what is published of a key."""
    key = key or rsa_key()
    if isinstance(key, Ed25519PrivateKey):
        public = key.public_key().public_bytes_raw()
        tags = {"k": "ed25519"} | tags
    else:
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    said = {"v": "DKIM1", "p": base64.b64encode(public).decode()} | tags
    return "; ".join(f"{name}={value}" for name, value in said.items())


def signed(raw, domain, *, key=None, ways=(b"relaxed", b"relaxed"), **more):
    """Return a mail with a signature of this domain."""
    key = key or rsa_key()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    header = dkim.sign(raw, SELECTOR.encode(), domain.encode(), private, canonicalize=ways, **more)
    return header + raw


def publish(names, domain, key=None, **tags):
    """Publish a domain's key."""
    names.publish(f"{SELECTOR}._domainkey.{domain}", record(key, **tags))
