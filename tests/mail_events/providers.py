"""What mail providers post, for tests: sources of acme's, their secrets, and posts with proof."""

import base64
import datetime as dt
import hashlib
import hmac
import itertools
import json
import time
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from prefsvc.brand import Brand
from prefsvc.outward.fetch import NotFetchedError
from tests.support.cast import ACME, ANN

TOPIC = "arn:aws:sns:us-east-1:123456789012:ses-events"
SNS_ORIGIN = "https://sns.us-east-1.amazonaws.com"
CERTIFICATE_URL = f"{SNS_ORIGIN}/SimpleNotificationService-0123456789abcdef.pem"
PASSWORD = "prefsvc:a-pass-word"
MAILGUN_KEY = "a-signing-key-of-mailgun"

SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())
SENDGRID_PUBLIC = base64.b64encode(
    SENDGRID_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
).decode()

# By provider: the list of the provider's that is acme's topic news.
LISTS = {
    "sendgrid": "12345",
    "mailgun": "news@lists.example.com",
    "postmark": "broadcast",
    "ses": "weekly-news",
    "sparkpost": None,
    "mailjet": "77",
    "brevo": "9",
}
PROVIDERS = sorted(LISTS)
SECRETS = ",".join(
    (
        f"sendgrid-main:{SENDGRID_PUBLIC}",
        f"mailgun-main:{MAILGUN_KEY}",
        f"postmark-main:{PASSWORD}",
        f"sparkpost-main:{PASSWORD}",
        f"mailjet-main:{PASSWORD}",
        "brevo-main:a-bearer-token",
        f"brevo-main:{PASSWORD}",
    )
)


def sources():
    """Return the TOML of a source of each provider, and of one without a secret."""
    tables = []
    for provider, one in LISTS.items():
        lines = ["[[mail_events]]", f'name = "{provider}-main"', f'provider = "{provider}"']
        lines += [f'sns_topic = "{TOPIC}"'] if provider == "ses" else []
        lines += ["[mail_events.topics]", f'"{one}" = "news"'] if one else []
        tables.append("\n".join(lines))
    return "\n".join([*tables, '[[mail_events]]\nname = "bare"\nprovider = "postmark"\n'])


def acme_with_sources():
    return Brand.from_toml(ACME + sources(), file="acme.toml")


_numbers = itertools.count(1)


def unsubscribe(provider, address=ANN, *, of=None, at=None):  # noqa: PLR0911 - one of each
    """Return an event by which a person unsubscribes: from a list, or from everything."""
    seconds, name = int(at or time.time()), f"event-{next(_numbers)}"
    iso = dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat().replace("+00:00", "Z")
    match provider:
        case "sendgrid":
            kind = {"event": "group_unsubscribe", "asm_group_id": int(of)} if of else {}
            return {
                "event": "unsubscribe",
                "email": address,
                "timestamp": seconds,
                "sg_event_id": name,
                "useragent": "Mozilla/5.0",
                "ip": "192.0.2.1",
            } | kind
        case "mailgun":
            lists = {"mailing-list": {"address": of, "sid": "x"}} if of else {}
            return {
                "event": "unsubscribed",
                "id": name,
                "timestamp": seconds + 0.5,
                "recipient": address,
                "ip": "192.0.2.1",
            } | lists
        case "postmark":
            return {
                "RecordType": "SubscriptionChange",
                "MessageID": name,
                "ServerID": 23,
                "MessageStream": of or "outbound",
                "ChangedAt": iso,
                "Recipient": address,
                "Origin": "Recipient",
                "SuppressSending": True,
                "SuppressionReason": "ManualSuppression",
                "Tag": "t",
                "Metadata": {},
            }
        case "ses":
            topics = [{"topicName": of, "subscriptionStatus": "OptOut"}] if of else []
            preferences = {"unsubscribeAll": not of, "topicSubscriptionStatus": topics}
            return {
                "eventType": "Subscription",
                "mail": {"destination": [address], "messageId": name, "timestamp": iso},
                "subscription": {
                    "contactList": "list",
                    "timestamp": iso,
                    "source": "UnsubscribeHeader",
                    "newTopicPreferences": preferences,
                    "oldTopicPreferences": {"unsubscribeAll": False},
                },
            }
        case "sparkpost":
            event = {
                "type": "list_unsubscribe",
                "event_id": name,
                "timestamp": str(seconds),
                "rcpt_to": address,
                "raw_rcpt_to": address,
                "message_id": "m",
            }
            return {"msys": {"unsubscribe_event": event}}
        case "mailjet":
            return {
                "event": "unsub",
                "time": seconds,
                "MessageID": next(_numbers),
                "email": address,
                "mj_campaign_id": 1,
                "mj_list_id": int(of or 0),
                "ip": "127.0.0.4",
                "geo": "US",
                "agent": "List-Unsubscribe",
            }
        case "brevo":
            lists = {"list_id": [int(of)]} if of else {}
            return {
                "id": 1,
                "event": "unsubscribe",
                "email": address,
                "camp_id": 3,
                "ts_event": seconds,
                "date_event": "2020-10-09 00:00:00",
                "tag": "",
                "message-id": f"<{name}@example.com>",
            } | lists
    raise ValueError(provider)  # fmt: skip


def bounce(provider, address=ANN, *, status="5.1.1"):  # noqa: PLR0911 - one of each
    """Return an event of a message that could not be delivered for good."""
    event, words = unsubscribe(provider, address), f"550 {status} <{address}> user unknown"
    match provider:
        case "sendgrid":
            return event | {"event": "bounce", "type": "bounce", "status": status, "reason": words}
        case "mailgun":
            delivery = {"code": 550, "message": words, "enhanced-code": status}
            return event | {
                "event": "failed",
                "severity": "permanent",
                "reason": "bounce",
                "delivery-status": delivery,
            }
        case "postmark":
            return {
                "RecordType": "Bounce",
                "Type": "HardBounce",
                "ID": next(_numbers),
                "Email": address,
                "Details": f"smtp;{words}",
                "MessageID": "m",
                "BouncedAt": "2026-03-02T05:28:50.3963933-04:00",
            }
        case "ses":
            told = {"emailAddress": address, "status": status, "diagnosticCode": f"smtp; {words}"}
            return {
                "eventType": "Bounce",
                "mail": event["mail"],
                "bounce": {
                    "bounceType": "Permanent",
                    "bounceSubType": "General",
                    "bouncedRecipients": [told],
                },
            }
        case "sparkpost":
            told = event["msys"]["unsubscribe_event"]
            return {
                "msys": {
                    "message_event": told
                    | {"type": "bounce", "bounce_class": "10", "raw_reason": words}
                }
            }
        case "mailjet":
            return event | {
                "event": "bounce",
                "hard_bounce": status == "5.1.1",
                "blocked": False,
                "error_related_to": "recipient",
                "error": "user unknown",
            }
        case "brevo":
            return event | {"event": "hard_bounce", "reason": words}
    raise ValueError(provider)  # fmt: skip


def complaint(provider, address=ANN):  # noqa: PLR0911 - one of each
    """Return an event by which a person calls a message spam."""
    event = unsubscribe(provider, address)
    match provider:
        case "sendgrid":
            return event | {"event": "spamreport"}
        case "mailgun":
            return event | {"event": "complained"}
        case "postmark":
            return {
                "RecordType": "SpamComplaint",
                "Type": "SpamComplaint",
                "ID": next(_numbers),
                "Email": address,
                "BouncedAt": "2026-03-02T05:28:50-04:00",
            }
        case "ses":
            return {
                "notificationType": "Complaint",
                "mail": event["mail"],
                "complaint": {
                    "complaintFeedbackType": "abuse",
                    "complainedRecipients": [{"emailAddress": address}],
                },
            }
        case "sparkpost":
            told = event["msys"]["unsubscribe_event"]
            return {"msys": {"message_event": told | {"type": "spam_complaint", "fbtype": "abuse"}}}
        case "mailjet":
            return event | {"event": "spam", "source": "JMRPP"}
        case "brevo":
            return event | {"event": "spam"}
    raise ValueError(provider)  # fmt: skip


class AmazonSns:
    """Amazon SNS, as far as it signs and is asked; what is asked of it is remembered."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = self._certificate(self.key)
        self.documents = {CERTIFICATE_URL: self.certificate}
        self.asked = []

    async def fetch(self, _settings, url):
        self.asked.append(url)
        if url.startswith(f"{SNS_ORIGIN}/?Action=ConfirmSubscription"):
            return b"<ConfirmSubscriptionResponse/>"
        if url not in self.documents:
            raise NotFetchedError
        return self.documents[url]

    def message(self, text, *, version="2", **more):
        """Return a signed message; `more` replaces fields before it is signed, None takes away."""
        fields = {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": TOPIC,
            "Message": text if isinstance(text, str) else json.dumps(text),
            "Timestamp": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "SignatureVersion": version,
            "SigningCertURL": CERTIFICATE_URL,
        } | more
        fields = {name: value for name, value in fields.items() if value is not None}
        return fields | {"Signature": self.sign(fields, version)}

    def confirmation(self, **more):
        token, topic = "2336412f37", more.get("TopicArn", TOPIC)
        url = f"{SNS_ORIGIN}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}"
        told = {"Type": "SubscriptionConfirmation", "Token": token, "SubscribeURL": url}
        return self.message("You have chosen to subscribe.", **(told | more))

    def sign(self, fields, version):
        # AWS, "Verifying the signatures of Amazon SNS messages".
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        if fields["Type"] != "Notification":
            names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn"]
            names += ["Type"]
        signed = "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields).encode()
        algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
        return base64.b64encode(self.key.sign(signed, padding.PKCS1v15(), algorithm)).decode()

    @staticmethod
    def _certificate(key, *, days=365):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - dt.timedelta(days=30))
        made = builder.not_valid_after(now + dt.timedelta(days=days)).sign(key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)


def proved(provider, document, *, sns=None, at=None):
    """Return the body and headers by which a provider posts this event or list of events."""
    match provider:
        case "sendgrid":
            events = document if isinstance(document, list) else [document]
            return sendgrid_signed(json.dumps(events).encode() + b"\r\n", at=at)
        case "mailgun":
            body = {"signature": mailgun_signature(at=at), "event-data": document}
            return json.dumps(body).encode(), {"Content-Type": "application/json"}
        case "ses":
            body = json.dumps(sns.message(document)).encode()
            return body, {"Content-Type": "text/plain; charset=UTF-8"}
        case _:
            several = [document] if provider == "sparkpost" and isinstance(document, dict) else None
            return json.dumps(several or document).encode(), basic()


def basic(secret=PASSWORD):
    return {
        "Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}",
        "Content-Type": "application/json",
    }


def sendgrid_signed(body, *, at=None, key=SENDGRID_KEY):
    timestamp = str(int(at or time.time()))
    made = key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return body, {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(made).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        "Content-Type": "application/json",
    }


def mailgun_signature(*, key=MAILGUN_KEY, at=None):
    timestamp, token = str(int(at or time.time())), uuid.uuid4().hex + "0" * 18
    made = hmac.new(key.encode(), (timestamp + token).encode(), hashlib.sha256).hexdigest()
    return {"timestamp": timestamp, "token": token, "signature": made}
