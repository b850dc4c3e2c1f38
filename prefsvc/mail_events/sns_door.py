"""What Amazon SNS posts: proved by its certificate, for the one topic that the source names."""

import structlog

from prefsvc.brand import MailEventSource
from prefsvc.doors import Service
from prefsvc.errors import UnsignedMailEvents
from prefsvc.mail_events import ses
from prefsvc.mail_events.certificates import Sns
from prefsvc.mail_events.event import Reading
from prefsvc.mail_events.ses_mail import ReceivedMail, read_received
from prefsvc.mail_events.signatures import is_signed_by_sns
from prefsvc.mail_events.sns import SnsMessage, is_of_its_time

log = structlog.get_logger()


async def received(
    service: Service, sns: Sns, source: MailEventSource, body: bytes
) -> Reading | ReceivedMail:
    """Read a notification, or confirm what was asked for; refuse what SNS did not sign.

    However old: every part that counts is signed, and what came before is known by its id. So what
    waited in a dead-letter queue can be posted later on.
    """
    message = SnsMessage.read(body)
    await _check(service, sns, source, message)
    match message.type:
        case "Notification":
            told = message.text("Message")
            return read_received(told) or ses.read_notification(
                told,
                message_id=message.text("MessageId"),
                sent_at=message.text("Timestamp"),
                most=service.settings.mail_events_per_post_max,
            )
        case "SubscriptionConfirmation":
            await _confirm(service, sns, source, message)
        case "UnsubscribeConfirmation":
            log.warning("mail_events_end", source=source.name, provider=source.provider)
    return Reading(())


async def _check(service: Service, sns: Sns, source: MailEventSource, message: SnsMessage) -> None:
    url = message.certificate_url(source.region)
    # Before anything is fetched: nobody else's topic makes us ask for anything.
    if message.text("TopicArn") != source.sns_topic or url is None:
        raise UnsignedMailEvents
    certificate = await sns.certificate(service.settings, url)
    is_signed = is_signed_by_sns(
        certificate,
        version=message.text("SignatureVersion"),
        signature=message.text("Signature"),
        signed=message.signed,
    )
    if not (is_signed and is_of_its_time(certificate, message.text("Timestamp"))):
        raise UnsignedMailEvents


async def _confirm(
    service: Service, sns: Sns, source: MailEventSource, message: SnsMessage
) -> None:
    url = message.subscribe_url(source.region, source.sns_topic)
    if url is None:
        raise UnsignedMailEvents
    await sns.ask(service.settings, url)
    log.info("mail_events_confirmed", source=source.name, provider=source.provider)
