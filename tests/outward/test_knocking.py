"""Knocking at unsubscribe links, of a server that answers well and of some that do not."""

import json
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from prefsvc.one_click import KNOCKS, SLOW_SECONDS, Answered, read_answer
from prefsvc.outward.knocking import knock_at
from tests.support.cast import ANN


@dataclass
class House:
    """A server with one link; it answers each method as it is told to."""

    answers: dict = field(default_factory=dict)
    knocked: list = field(default_factory=list)

    async def open(self, request):
        self.knocked.append((request.method, request.content_type, await request.read()))
        answer = self.answers.get(request.method, {})
        return web.Response(**({"text": "" if request.method == "HEAD" else "ok"} | answer))


@pytest.fixture
async def house(aiohttp_server):
    house = House()
    running = web.Application()
    running.router.add_route("*", "/u/{token}", house.open)
    server = await aiohttp_server(running)
    house.url = str(server.make_url("/u/a%7Eb"))
    return house


async def knocks(house, *, asking=True):
    return [finding async for finding in knock_at(house.url, asking=asking)]


async def test_a_link_that_does_as_it_should_is_well_for_everybody(house):
    found = await knocks(house)
    assert [one.knock for one in found] == list(KNOCKS)
    assert all(one.is_well for one in found)


async def test_nobody_asks_who_only_looks(house):
    await knocks(house, asking=False)
    assert {method for method, *_ in house.knocked} == {"GET", "HEAD"}


async def test_each_program_posts_its_own_form(house):
    await knocks(house)
    posted = [said for said in house.knocked if said[0] == "POST"]
    assert ("POST", "application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click") in posted
    assert ("POST", "application/octet-stream", b"") in posted  # aiohttp's word for no type
    assert sum(kind == "multipart/form-data" for _, kind, _ in posted) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 302, "headers": {"Location": "/login"}}, "sent elsewhere (302)"),
        ({"status": 403}, "stays subscribed"),
        ({"status": 405}, "stays subscribed"),
        ({"status": 500}, "stays subscribed"),
        ({"headers": {"Set-Cookie": "a=b"}}, "cookie"),
    ],
)
async def test_what_is_wrong_with_one_click_is_said(house, answer, said):
    house.answers["POST"] = answer
    found = await knocks(house)
    assert all(one.is_well != one.knock.asks for one in found)
    assert all(said in one.text for one in found if one.knock.asks)


async def test_a_link_without_a_page_is_no_good_to_a_person(house):
    house.answers["GET"] = {"status": 405}
    wrong = [one.knock.who for one in await knocks(house) if not one.is_well]
    assert wrong == ["a scanner", "a person who clicks"]


async def test_nobody_at_home_is_no_answer():
    found = [one async for one in knock_at("http://127.0.0.1:1/u/x", asking=True)]
    assert {one.text for one in found} == {"gets no answer."}


def test_a_slow_answer_is_wrong():
    assert not read_answer(KNOCKS[0], Answered(200, SLOW_SECONDS + 0.1)).is_well
    assert read_answer(KNOCKS[0], Answered(200, SLOW_SECONDS)).is_well


async def test_our_own_links_are_well_for_everybody(client, service, keys):
    made = await client.post(
        "/v1/brands/acme/links", headers=keys.mailer, json={"channel": "email", "address": ANN}
    )
    token = json.loads(await made.text())["url"].rpartition("/")[2]
    url = str(client.make_url(f"/u/{token}"))
    assert [one.text async for one in knock_at(url, asking=True) if not one.is_well] == []
