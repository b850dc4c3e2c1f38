"""Mail handed over in TLS."""

import asyncio
import smtplib
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.mailbox.conftest import NEWS, mail
from tests.support.cast import ANN
from tests.support.taking_mail import listening


@pytest.fixture
def certificate(tmp_path):
    """Write a key and a certificate of its own into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1))
    signed = builder.not_valid_after(now + timedelta(days=1)).sign(key, SHA256())
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = tmp_path / "mail.pem"
    file.write_bytes(written + signed.public_bytes(Encoding.PEM))
    return file


async def test_mails_in_tls_are_taken_and_stopping_ends_the_conversation(
    service, may_mail, certificate
):
    service.settings = service.settings.model_copy(update={"mail_tls_certificate": certificate})
    context = ssl.create_default_context(cafile=certificate)

    def talk(port):
        server = smtplib.SMTP("localhost", port, timeout=30)
        server.starttls(context=context)
        server.sendmail(ANN, NEWS, mail("Where is my order? " + "x" * 700_000))
        server.sendmail(ANN, NEWS, mail())
        return server

    async with asyncio.timeout(30):
        async with listening(service) as port:
            server = await asyncio.to_thread(talk, port)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        await asyncio.to_thread(server.noop)
    assert not await may_mail()
