"""What Twilio sends, for tests: a message's form and the headers that sign it."""

import uuid
from collections.abc import Mapping

from multidict import MultiMapping
from twilio.request_validator import RequestValidator

ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
SERVICE_SID = "MG" + "fedcba9876543210" * 2
PERSON = "+12025550123"
NUMBER = "+12025550199"


SHARED_KEY = "key=webhooks_sharedkey_0123456789abcdef,algorithm=HMAC_SHA256"


def signed(
    url: str, params: Mapping[str, str] | MultiMapping[str], auth_token: str
) -> dict[str, str]:
    """Return the headers of a request that Twilio's own library signed.

    `url` is the public one, byte for byte as it is called; for JSON it carries `bodySHA256` and
    `params` is empty.
    """
    return {"X-Twilio-Signature": RequestValidator(auth_token).compute_signature(url, params)}


def signed_by_shared_key(url: str, params: Mapping[str, str], secret: str) -> dict[str, str]:
    """Return the headers of a request that is signed with a SharedKey."""
    made = RequestValidator(secret).compute_signature(url, params, "HMAC_SHA256")
    return {"X-Twilio-Signature": made, "X-Twilio-Webhooks-Signature-Settings": SHARED_KEY}


def sms(
    body: str = "STOP", *, from_: str = PERSON, to: str = NUMBER, **more: str | None
) -> dict[str, str]:
    """Return the form of one new message as Twilio records it, with or without some parameters.

    `more` adds or replaces parameters; None takes one away. A message in a service has
    `MessagingServiceSid=SERVICE_SID`, one sorted by Advanced Opt-Out has `OptOutType="STOP"`.
    """
    sid = "SM" + uuid.uuid4().hex
    form: dict[str, str | None] = {
        "ToCountry": "US",
        "ToState": "DC",
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "ToCity": "",
        "FromZip": "20001",
        "SmsSid": sid,
        "FromState": "DC",
        "SmsStatus": "received",
        "FromCity": "WASHINGTON",
        "Body": body,
        "FromCountry": "US",
        "To": to,
        "ToZip": "",
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": ACCOUNT_SID,
        "From": from_,
        "ApiVersion": "2010-04-01",
    } | more
    return {name: value for name, value in form.items() if value is not None}


def status(
    error_code: str | None = "21610", *, from_: str = NUMBER, to: str = PERSON, **more: str | None
) -> dict[str, str]:
    """Return the form of one status callback of a message to a person, as `sms` does."""
    sid = "SM" + uuid.uuid4().hex
    form: dict[str, str | None] = {
        "ApiVersion": "2010-04-01",
        "MessageStatus": "undelivered" if error_code else "delivered",
        "SmsSid": sid,
        "SmsStatus": "undelivered" if error_code else "delivered",
        "ErrorCode": error_code,
        "To": to,
        "From": from_,
        "MessageSid": sid,
        "AccountSid": ACCOUNT_SID,
    } | more
    return {name: value for name, value in form.items() if value is not None}


def reassigned(
    *, from_: str = NUMBER, to: str = PERSON, id_: str | None = None, **more: object
) -> dict[str, object]:
    """Return the event of a number that Twilio's Compliance Toolkit found to be another's.

    `more` adds or replaces fields of its data; None takes one away.
    """
    data: dict[str, object] = {
        "event_id": "1c70ebe141c2f1062d226c9f80912ab67b778394592219510bc6751c017ab05f",
        "timestamp": "2026-09-21T00:00:00Z",
        "account_sid": ACCOUNT_SID,
        "from_number": from_,
        "to_number": to,
        "is_reassigned": True,
        "last_verified_date": "2026-08-01",
        "consent_operation": "opt-out-created",
        "consent_updated_at": "2026-09-21T00:00:00Z",
    } | more
    return {
        "specversion": "1.0",
        "type": "com.twilio.messaging.reassigned-number.detected",
        "source": "/v1/Compliance",
        "id": id_ or "EZ" + uuid.uuid4().hex,
        "dataschema": (
            "https://events-schemas.twilio.com/DemandGrowth.ReassignedPhoneNumberDetectedEvent/1"
        ),
        "datacontenttype": "application/json",
        "time": "2026-09-21T00:00:01Z",
        "data": {name: value for name, value in data.items() if value is not None},
    }
