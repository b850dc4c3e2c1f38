"""What proves a provider's post, without HTTP: by the vectors of others, and whatever is posted."""

import base64
import datetime as dt
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.mail_events.proof import usable
from prefsvc.mail_events.signatures import (
    is_authorised,
    is_signed_by_mailgun,
    is_signed_by_sendgrid,
    is_signed_by_sns,
    sendgrid_key,
)
from prefsvc.mail_events.sns import certificate_of
from tests.conftest import CORPORA
from tests.mail_events.providers import SENDGRID_PUBLIC

VECTORS = CORPORA / "webhooks/other_signature_vectors.json"
needs_vectors = pytest.mark.skipif(
    not VECTORS.is_file(), reason="no corpora; PREFSVC_CORPORA names their folder"
)


def vectors(provider):
    every = json.loads(VECTORS.read_text("utf-8")) if VECTORS.is_file() else []
    return [one for one in every if one["provider"] == provider]


@needs_vectors
@pytest.mark.parametrize("vector", vectors("sendgrid"), ids=lambda v: v["name"])
def test_sendgrids_vectors_agree(vector):
    assert vector["valid"] is is_signed_by_sendgrid(
        [vector["public_key"]],
        timestamp=vector["timestamp"],
        signature=vector["signature"],
        body=vector["body"].encode(),
    )


@needs_vectors
@pytest.mark.parametrize("vector", vectors("mailgun"), ids=lambda v: v["name"])
def test_mailguns_vectors_agree(vector):
    assert vector["valid"] is is_signed_by_mailgun(
        [vector["key"]],
        timestamp=vector["timestamp"],
        token=vector["token"],
        signatures=[vector["signature"]],
    )


@needs_vectors
def test_the_vectors_hold_both_verdicts():
    assert {vector["valid"] for vector in vectors("sendgrid")} == {True, False}


def public(key):
    return base64.b64encode(
        key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).decode()


@pytest.mark.parametrize(
    "written",
    [
        *("", "!", "AAAA", SENDGRID_PUBLIC[:-4], "ä"),
        public(ec.generate_private_key(ec.SECP384R1())),
        public(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    ],
)
def test_what_is_no_key_on_sendgrids_curve_is_none(written):
    assert sendgrid_key(written) is None
    assert usable("sendgrid", [written, SENDGRID_PUBLIC]) == [SENDGRID_PUBLIC]


@pytest.mark.parametrize("provider", ["postmark", "sparkpost", "mailjet", "brevo"])
def test_a_secret_without_user_or_password_is_not_usable(provider):
    given = ["user:", ":password", ":", "user:password", "token", "user:pass:word"]
    assert usable(provider, given) == ["user:password", "token", "user:pass:word"]


@pytest.mark.parametrize("secret", ["", ":", "user:", ":password"])
@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_an_empty_secret_is_no_secret(scheme, secret):
    shown = base64.b64encode(secret.encode()).decode() if scheme == "Basic" else secret
    assert not is_authorised([secret], f"{scheme} {shown}")


def test_a_password_may_have_colons_and_other_letters():
    shown = base64.b64encode("büro:pass:wörd".encode()).decode()
    assert is_authorised(["büro:pass:wörd"], f"basic  {shown}")


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1).not_valid_before(now)
    return builder.not_valid_after(now + dt.timedelta(days=1)).sign(key, hashes.SHA256())


def test_sns_signs_with_rsa_and_nothing_else():
    key = ec.generate_private_key(ec.SECP256R1())
    signature = base64.b64encode(key.sign(b"text", ec.ECDSA(hashes.SHA256()))).decode()
    made = certificate(key)
    assert not is_signed_by_sns(made, version="2", signature=signature, signed=b"text")


def test_what_is_no_certificate_is_none():
    key = ec.generate_private_key(ec.SECP256R1())
    pem = certificate(key).public_bytes(serialization.Encoding.PEM)
    assert certificate_of(pem) is not None
    for broken in (b"", b"x", pem[:-60], pem[27:-25], b"\xff" * 100):
        assert certificate_of(broken) is None


ANYTHING = st.text(max_size=60)


@given(ANYTHING, st.none() | ANYTHING, st.none() | ANYTHING, st.binary(max_size=60))
def test_nothing_that_is_posted_raises_and_nothing_proves_itself(secret, one, other, body):
    for key in (secret, SENDGRID_PUBLIC):
        assert not is_signed_by_sendgrid([key], timestamp=one, signature=other, body=body)
    assert not is_signed_by_mailgun(
        [secret], timestamp=one or "", token=secret, signatures=[other or ""]
    )
    header = f"Basic {other}" if body else f"bearer {other}" if other else other
    assert not is_authorised([f"a-user:{secret}", "a-long-enough-token"], header)
