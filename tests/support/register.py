"""Writing to the register by its rules, without HTTP."""

import random
from datetime import timedelta

from prefsvc import opt_outs
from prefsvc.address import Address
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.suppression import Scope

SCOPES = (Scope("channel"), Scope("brand"), Scope("topic", "news"), Scope("third_party_sharing"))


def act(service, address, *, brand="acme", channel="email", scope=SCOPES[0], source="link", **more):
    """Make an act about an address."""
    recipient = Recipient.of(Address.for_opt_out(channel, address), service.vault)
    evidence = more.pop("evidence", {"how": "a test"})
    return Act(service.book.get(brand), recipient, scope, source, evidence, **more)


def address_in(service, bucket, *, number=0):
    """Find an address that belongs to this bucket."""
    found = (f"b{n}@example.org" for n in range(100_000))
    within = (one for one in found if act(service, one).recipient.bucket == bucket)
    return [next(within) for _ in range(number + 1)][number]


async def record(service, *acts):
    """Record opt-outs in one transaction."""
    async with service.database.transaction() as tx:
        return await opt_outs.record(tx, service.vault, acts)


async def withdraw(service, *acts):
    """Record opt-ins in one transaction."""
    async with service.database.transaction() as tx:
        return await opt_outs.withdraw(tx, service.vault, acts)


async def workload(service, *, steps, seed, people=12):
    """Say many things about a few people: stops and starts, on channels, batches, old news.

    Some of their numbers are two spellings of one.
    """
    choose = random.Random(seed)
    for step in range(steps):
        acts = [_some_act(service, choose, people, step) for _ in range(choose.choice([1, 1, 3]))]
        await choose.choice([record, record, withdraw])(service, *acts)


def _some_act(service, choose, people, step):
    who = choose.randrange(people)
    channel = choose.choice(["email", "email", "sms", "whatsapp"])
    return act(
        service,
        f"person{who}@example.org" if channel == "email" else _number(choose, who),
        channel=channel,
        scope=choose.choice(SCOPES),
        source=choose.choice(["sms_reply", "link", "import", "form"]),
        reason=choose.choice(["opt_out", "opt_out", "complaint", "reassigned"]),
        received_at=service.now() - timedelta(minutes=choose.randrange(600)),
        idempotency_key=choose.choice([None, f"request-{step}", "request-0"]),
    )


def _number(choose, who):
    return choose.choice(["+120255501", "+52155555501", "+5255555501"]) + f"{who:02}"
