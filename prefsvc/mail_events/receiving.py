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
from prefsvc.mailbox.making import ACTED_ON, Arrived
from prefsvc.mailbox.taking import take


async def receive(
    service: Service, brand: AppliedBrand, source: MailEventSource, mail: ReceivedMail
) -> Taken:
    """Take a mail for its recipients, as any other; it is durable when this returns."""
    # A large mail counts by its beginning: SES tells nobody that it was refused.
    read = Mail(mail.raw[: service.settings.mail_bytes_max])
    known = Authentication.of_ses(read.message, spf=mail.spf, dkim=mail.dkim, dmarc=mail.dmarc)
    came, host = Provenance(known=known), f"{source.provider} {source.name}"
    arrived = [
        Arrived(read, one, host, provenance=came, received_at=mail.received_at)
        for one in read_for(service, brand, mail.recipients)
    ]
    outcomes = [(await take(service, one, brand)).outcome for one in arrived]
    return Taken(1, sum(outcome in ACTED_ON for outcome in outcomes), 0)
