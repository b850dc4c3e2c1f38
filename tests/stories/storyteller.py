"""Words to tell a story in: a brand, its programs, its people, and the days that pass."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from standardwebhooks import Webhook

from prefsvc import api_keys, brands, senders
from prefsvc.brand import Brand
from prefsvc.work.alarms import raise_alarms
from tests.support.lists import read_ndjson
from tests.support.waiting import until

FOLDER = Path(__file__).parents[2] / "deploy" / "brands"
BEGINNING = datetime(2026, 11, 20, 17, tzinfo=UTC)
"""A Friday: noon in New York, five in London."""
MOMENT_LATER = timedelta(seconds=1)


def due(document):
    """Return by when every sender must have heard."""
    return datetime.fromisoformat(document["deadline_at"])


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@dataclass
class Story:
    """A brand, told from its operator's chair."""

    slug: str
    service: object
    client: object
    clock: object
    open_server: object
    operator: dict = field(default_factory=dict)

    async def begun(self):
        """Apply the brand as it ships, and give its operator a key."""
        file = FOLDER / f"{self.slug}.toml"
        async with self.service.database.transaction() as tx:
            await brands.apply(tx, [Brand.from_toml(file.read_text("utf-8"), file=file.name)])
        await self.service.refresh_book()
        async with self.service.database.transaction() as tx:
            key = await api_keys.create(tx, label="Olive", brand=self._brand(), sender=None)
        self.operator = bearer(key)
        return self

    def _brand(self):
        return self.service.book.get(self.slug)

    async def program(self, name, channel="email"):
        """Connect a program that sends, and let it apply all there is."""
        async with self.service.database.transaction() as tx:
            added = await senders.add(tx, self._brand(), name, channel)
            key = await api_keys.create(tx, label=name, brand=self._brand(), sender=added)
        program = Program(self, name, bearer(key))
        await program.catches_up()
        return program

    async def receiver(self):
        """Set up a webhook for the brand's alarms."""
        receiver = Receiver()
        application = web.Application()
        application.router.add_post("/hook", receiver.take)
        server = await self.open_server(application)
        body = {"url": str(server.make_url("/hook")), "events": ["alarm"]}
        receiver.secret = (await self.asks("POST", "endpoints", body, status=201))["secret"]
        return receiver

    async def asks(self, method, path, body=None, *, status=200, headers=None):
        """Call the API, by default as the operator; return the answer's document."""
        reply = await self.client.request(
            method,
            f"/v1/brands/{self.slug}/{path}",
            headers=headers or self.operator,
            **({} if body is None else {"json": body}),
        )
        assert reply.status == status, await reply.text()
        return await reply.json()

    def day(self, number):
        """Return the moment so many days after the beginning."""
        return BEGINNING + timedelta(days=number)

    async def it_is_day(self, number, *, just_after=True):
        """Let time pass until then, and let everything happen that happens by itself."""
        self.clock.stop(self.day(number) + (MOMENT_LATER if just_after else -MOMENT_LATER))
        await self.everything_happens()

    async def everything_happens(self):
        """Look at the senders' clocks once; wait until every notice has been delivered."""
        await raise_alarms(self.service)
        self.service.enqueued.set()
        underway = "select from delivery where state = 'pending'"
        await until(lambda: self.service.database.pool.fetchval(f"select not exists ({underway})"))

    async def clicks_unsubscribe(self, address, topic=None):
        """Press the button of a mail program (RFC 8058); return how the address stands then."""
        line = {"address": address} | ({"topic": topic} if topic else {})
        reply = await self.client.post(
            f"/v1/brands/{self.slug}/links", headers=self.operator, data=json.dumps(line)
        )
        token = json.loads(await reply.text())["token"]
        pressed = await self.client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
        assert pressed.status == 200
        return await self.may_send(address, topic=topic)

    async def writes_a_letter(self, address, **more):
        """Record what a person wrote to the company; return what was recorded."""
        body = {"address": address, "source": "letter", "evidence": {"letter": "1"}} | more
        return await self.asks("POST", "opt-outs", body, status=201)

    async def may_send(self, address, *, channel="email", **asked):
        """Ask the check about one address."""
        asked = {name: value for name, value in asked.items() if value}
        body = {"channel": channel, "addresses": [address]} | asked
        return (await self.asks("POST", "check", body))["results"][0]

    async def open_cases(self):
        return (await self.asks("GET", "cases?state=open"))["cases"]

    async def reads_case(self, case_id):
        return await self.asks("GET", f"cases/{case_id}")

    async def resolves(self, case, cause):
        """Resolve a case; return it as it then stands."""
        return await self.asks("POST", f"cases/{case['case_id']}/resolution", {"cause": cause})


@dataclass
class Program:
    """A program that sends: its list, and what it says of itself."""

    story: Story
    name: str
    key: dict
    listed: set = field(default_factory=set)
    cursor: str = ""

    async def catches_up(self):
        """Pull the list, apply it, acknowledge it."""
        url = f"/v1/brands/{self.story.slug}/suppressions"
        reply = await self.story.client.get(url, headers=self.key)
        rows, end = read_ndjson(await reply.read())
        self.listed, self.cursor = {row["address"] for row in rows}, end["cursor"]
        await self._asks("POST", "feed/acknowledgements", end)
        return self.listed

    async def cuts(self, mailing, *, cursor=None, topic=None):
        """Register a mailing with the list at hand, or with an older one; return the answer."""
        body = {"mailing": mailing, "cursor": cursor or self.cursor, "topic": topic}
        return await self._asks("POST", "mailings", body, status=201)

    async def state(self):
        """Return how it stands, by the operator's list of senders."""
        every = (await self.story.asks("GET", "senders"))["senders"]
        [state] = [one["state"] for one in every if one["sender"] == self.name]
        return state

    async def has_clearance(self):
        """Ask whether it may start a mailing; without clearance it is told what to do."""
        answer = await self._asks("GET", f"senders/{self.name}/clearance")
        assert answer["clearance"] or "acknowledge" in answer["missing"]
        return answer["clearance"]

    async def reports(self, address, *, sent_on_day, **more):
        """Report one message; return the verdict on it."""
        line = {"address": address, "sent_at": self.story.day(sent_on_day).isoformat()} | more
        url = f"/v1/brands/{self.story.slug}/sends"
        reply = await self.story.client.post(url, headers=self.key, data=json.dumps(line))
        verdict, end = [json.loads(line) for line in (await reply.text()).splitlines()]
        assert end["end"], end
        return verdict

    async def _asks(self, method, path, body=None, *, status=200):
        return await self.story.asks(method, path, body, status=status, headers=self.key)


@dataclass
class Receiver:
    """A webhook that somebody reads: it believes what is signed, and notes every notice it gets."""

    secret: str = ""
    notices: list = field(default_factory=list)

    async def take(self, request):
        body, name = await request.text(), request.headers["webhook-id"]
        at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
        assert request.headers["webhook-signature"] == Webhook(self.secret).sign(name, at, body)
        self.notices.append(json.loads(body))
        return web.Response(status=204)

    @property
    def heard(self):
        """Return what it was told, in order, as often as it was told."""
        return [one["type"].removeprefix("alarm.") for one in self.notices]

    @property
    def last(self):
        return self.notices[-1]["data"]
