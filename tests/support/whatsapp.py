"""Acme with a WhatsApp program beside its texts: how people write to it, and what its lists say."""

from dataclasses import dataclass, replace

from prefsvc import api_keys, brands, senders
from prefsvc.doors import SERVICE
from prefsvc.verification import verify
from tests.sms.twilio_client import signed, sms, status
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN, TWILIO_TOKEN, acme
from tests.support.lists import Follower, check, sha256, snapshot

MESSAGES = "/hooks/twilio/messages"
STATUSES = "/hooks/twilio/statuses"
BOTH = ("sms", "whatsapp")


async def apply_acme(service, *, channels=("email", "sms", "whatsapp", "post"), **more):
    """Apply acme with these channels, its news on each of them."""
    topics = tuple(
        replace(topic, channels=channels) if topic.slug == "news" else topic
        for topic in acme().topics
    )
    async with service.database.transaction() as tx:
        await brands.apply(tx, [replace(acme(), channels=channels, topics=topics, **more)])
    await service.refresh_book()


def on(network, number=ANNS_PHONE):
    """Write a number as Twilio does on a network."""
    return number if network == "sms" else f"{network}:{number}"


async def text(client, body="STOP", *, network="whatsapp", **more):
    """Write to acme on a network, as Ann; START a while after what she wrote before (S-20)."""
    if body == "START":
        client.app[SERVICE].database.clock.move(minutes=1)
    form = sms(body, from_=on(network), to=on(network, ACMES_NUMBER), **more)
    headers = signed(ORIGIN + MESSAGES, form, TWILIO_TOKEN)
    reply = await client.post(MESSAGES, data=form, headers=headers)
    assert reply.status == 200, await reply.text()


async def fail(client, code, *, network="whatsapp"):
    """Tell that a message of acme's to Ann failed."""
    form = status(code, from_=on(network, ACMES_NUMBER), to=on(network))
    headers = signed(ORIGIN + STATUSES, form, TWILIO_TOKEN)
    reply = await client.post(STATUSES, data=form, headers=headers)
    assert reply.status == 204, await reply.text()


@dataclass(frozen=True)
class Lists:
    """Everything by which acme's senders could learn that Ann said stop, on each channel."""

    client: object
    service: object
    headers: dict

    async def stopped(self, **asked):
        """Return the channels on which nothing may be sent to Ann, by the check."""
        found = []
        for channel in BOTH:
            [verdict] = await check(self.client, self.headers[channel], ANNS_PHONE, **asked)
            found += [] if verdict["may_send"] else [channel]
        return found

    async def listed(self):
        """Return the scopes in which Ann is on each channel's list; feed and snapshot agree."""
        found = {}
        for channel in BOTH:
            whole = await snapshot(self.client, self.headers[channel])
            followed = await Follower(self.client, self.headers[channel]).catch_up()
            assert whole.suppressed == followed.suppressed
            assert all(row["channel"] == channel for row in whole.rows)
            found[channel] = sorted(
                scope for digest, scope, _, _ in whole.suppressed if digest == sha256(ANNS_PHONE)
            )
        return found

    async def wrongs(self):
        """Return what `ledger verify` finds."""
        async with self.service.database.read(snapshot=True) as tx:
            installation_id = self.service.installation.installation_id
            found = await verify(tx, self.service.vault, installation_id, self.service.book, {})
        return found.wrong


async def opened(client, service):
    """Apply acme with WhatsApp, with a sender on each channel, `texter` and `chatter`."""
    await apply_acme(service)
    brand = service.book.get("acme")
    headers = {}
    async with service.database.transaction() as tx:
        for slug, channel in (("sender-of-texts", "sms"), ("chatter", "whatsapp")):
            sender = await senders.add(tx, brand, slug, channel)
            key = await api_keys.create(tx, label="test", brand=brand, sender=sender)
            headers[channel] = {"Authorization": f"Bearer {key}"}
    return Lists(client, service, headers)
