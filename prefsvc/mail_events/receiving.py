"""What follows from mail that a provider received and posts with its events."""

from prefsvc.brand import MailEventSource
from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.mail.authentication import Authentication
from prefsvc.mail.mail import Mail
from prefsvc.mail_events.ses_mail import ReceivedMail
from prefsvc.mail_events.taking import Taken
from prefsvc.mailbox.addressed import read_for
from prefsvc.mailbox.authenticating import Provenance
from prefsvc.mailbox.taking import ACTED_ON, Arrived, take


async def receive(
    service: Service, brand: AppliedBrand, source: MailEventSource, mail: ReceivedMail
) -> Taken:
    """Take a mail for its recipients, as any other; it is durable when this returns."""
    # A large mail counts by its beginning: SES tells nobody that it was refused.
    raw = Mail(mail.raw[: service.settings.mail_bytes_max])
    came = Provenance(known=_checked(raw, mail))
    outcomes = [
        (
            await take(
                service,
                Arrived(
                    raw,
                    recipient,
                    f"{source.provider} {source.name}",
                    received_at=mail.received_at,
                    provenance=came,
                ),
                brand,
            )
        ).outcome
        for recipient in read_for(service, brand, mail.recipients)
    ]
    return Taken(1, sum(outcome in ACTED_ON for outcome in outcomes), 0)


def _checked(raw: Mail, mail: ReceivedMail) -> Authentication:
    """Return what SES says of who wrote it."""
    verdicts = {name: mail.verdicts.get(name, "").upper() for name in ("spf", "dkim", "dmarc")}
    return Authentication.of_ses(raw.message, **verdicts)
