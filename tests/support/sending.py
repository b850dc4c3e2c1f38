"""Registering mailings and reporting sends as a mailing tool does."""

import json
from dataclasses import dataclass

from tests.support.lists import ACME


@dataclass(frozen=True)
class Report:
    """The answer to a report, which proved to be whole."""

    lines: list[dict]
    end: dict

    @property
    def verdicts(self):
        return [line["verdict"] for line in self.lines]


async def post_sends(client, headers, body, **parameters):
    """Post a report as it stands."""
    return await client.post(f"{ACME}/sends", headers=headers, data=body, params=parameters)


async def report(client, headers, *sends, **parameters):
    """Report these messages; return a verdict each."""
    body = "\n".join(json.dumps(send) for send in sends)
    reply = await post_sends(client, headers, body.encode(), **parameters)
    assert reply.status == 200, await reply.text()
    return read_report(await reply.text())


def read_report(text):
    *lines, end = [json.loads(line) for line in text.splitlines()]
    assert end["end"] is True
    assert [line["line"] for line in lines] == list(range(1, len(lines) + 1))
    assert sum(end["counts"].values()) == len(lines)
    return Report(lines, end)


async def head(client, headers, brand="acme", **parameters):
    """Return the cursor at the feed's end."""
    cursor, more = None, True
    while more:
        after = {"after": cursor} if cursor else {}
        reply = await client.get(
            f"/v1/brands/{brand}/feed", headers=headers, params=parameters | after
        )
        page = await reply.json()
        cursor, more = page["cursor"], page["has_more"]
    return cursor


async def acknowledge(client, headers):
    """Acknowledge everything there is; return the cursor."""
    cursor = await head(client, headers)
    reply = await client.post(
        f"{ACME}/feed/acknowledgements", headers=headers, json={"cursor": cursor}
    )
    assert reply.status == 200, await reply.text()
    return cursor


async def post_mailing(client, headers, name, cursor, **more):
    body = {"mailing": name, "cursor": cursor} | more
    return await client.post(f"{ACME}/mailings", headers=headers, json=body)


async def register(client, headers, name, **more):
    """Register a mailing cut from the list as it stands; return the answer."""
    reply = await post_mailing(client, headers, name, await head(client, headers), **more)
    assert reply.status == 201, await reply.text()
    return await reply.json()


async def cases(client, headers, **parameters):
    reply = await client.get(f"{ACME}/cases", headers=headers, params=parameters)
    assert reply.status == 200, await reply.text()
    return (await reply.json())["cases"]


async def case(client, headers, case_id, **parameters):
    reply = await client.get(f"{ACME}/cases/{case_id}", headers=headers, params=parameters)
    assert reply.status == 200, await reply.text()
    return await reply.json()
