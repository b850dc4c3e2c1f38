"""Minting links: in bulk as NDJSON, and as ready-made headers for one message."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web

from prefsvc import links, short_links
from prefsvc.address import Address, Channel
from prefsvc.errors import (
    InvalidLinkContent,
    NotMarketing,
    PublicUrlInsecure,
    Refusal,
)
from prefsvc.links import Link
from prefsvc.recipients import Recipient
from prefsvc.short_links import Wanted
from prefsvc.web.auth import Entry, admitted
from prefsvc.web.body import Strict, answer, country_of, decode, read_json
from prefsvc.web.lines import Line, batches, chunks, lines

BATCH_LINES = 256
WORD_LENGTH_MAX = 73
"""The longest URL that fits, with its brackets and a comma, into a folded line of 76 characters."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern="^[^\\x00-\\x20]+$")]
Language = Annotated[str, msgspec.Meta(min_length=2, max_length=35, pattern="^[A-Za-z0-9-]+$")]
LinkForm = Literal["sealed", "short"]


class LinkBody(Strict, frozen=True, kw_only=True):
    """Whom a link is for, and what pressing it stops."""

    channel: Channel = "email"
    address: Annotated[str, msgspec.Meta(min_length=1, max_length=320)]
    topic: Name | None = None
    mailshot: Name | None = None
    language: Language | None = None
    country: str | None = None
    form: LinkForm = "sealed"


class HeadersBody(Strict, frozen=True, kw_only=True):
    """Whom a marketing mail is for; `form` only where the caller insists on one."""

    address: Annotated[str, msgspec.Meta(min_length=1, max_length=320)]
    topic: Name | None = None
    mailshot: Name | None = None
    language: Language | None = None
    country: str | None = None
    form: LinkForm | None = None


async def post_headers(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/headers: what a message to this recipient should carry."""
    entry = await admitted(request, "sender", "operator")
    body = await read_json(request, HeadersBody)
    topic = entry.brand.brand.find_topic(body.topic) if body.topic else None
    if topic and not topic.can_be_opted_out_of:
        raise NotMarketing  # RULES E-10: no one-click where nothing can be stopped
    origin = entry.service.settings.origin
    if not origin.startswith("https://"):
        raise PublicUrlInsecure
    made = await _fitting(entry, body)
    value = links.list_unsubscribe(url := links.unsubscribe_url(origin, made))
    headers = {"List-Unsubscribe": str(value), "List-Unsubscribe-Post": links.ONE_CLICK}
    return answer({"url": url, "headers": headers, "folded": value.folded})


async def _fitting(entry: Entry, body: HeadersBody) -> str:
    """Mint a token whose header survives: mail libraries encode a word that is longer than a line.

    Where the sealed link is too long for that, a short one is minted, unless the caller insists.
    """
    made = await _mint_one(entry, body, body.form or "sealed")
    url = links.unsubscribe_url(entry.service.settings.origin, made)
    if body.form or len(url) <= WORD_LENGTH_MAX:
        return made
    return await _mint_one(entry, body, "short")


async def _mint_one(entry: Entry, body: HeadersBody, form: LinkForm) -> str:
    link = LinkBody(
        channel="email",
        address=body.address,
        topic=body.topic,
        mailshot=body.mailshot,
        language=body.language,
        country=body.country,
        form=form,
    )
    [made] = await _mint(entry, [link])
    if isinstance(made, Refusal):
        raise made
    return made


async def post_links(request: web.Request) -> web.StreamResponse:
    """POST /v1/brands/{brand}/links: a line of JSON in, a line of JSON out, in order."""
    entry = await admitted(request, "sender", "operator")
    response = web.StreamResponse(
        headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"}
    )
    try:
        await _answer_lines(request, response, entry)
    except Refusal as refusal:
        if not response.prepared:
            raise
        # Too late for a status: what was answered stands, and the last line says why it ends here.
        await response.write(
            msgspec.json.encode({"line": None, "problem": _problem(refusal)}) + b"\n"
        )
    await response.write_eof()
    return response


async def _answer_lines(request: web.Request, response: web.StreamResponse, entry: Entry) -> None:
    settings = entry.service.settings
    arriving = chunks(
        request,
        bytes_max=settings.bulk_body_bytes_max,
        pause_seconds=settings.body_read_timeout_seconds,
        whole_seconds=settings.stream_timeout_seconds,
    )
    number = 0
    async for batch in batches(lines(arriving, lines_max=settings.links_bulk_max), BATCH_LINES):
        await _answer_batch(request, response, entry, number, batch)
        number += len(batch)
    if not response.prepared:
        await response.prepare(request)


async def _answer_batch(
    request: web.Request,
    response: web.StreamResponse,
    entry: Entry,
    number: int,
    batch: Sequence[Line],
) -> None:
    bodies = [_decoded(line) for line in batch]
    made = iter(await _mint(entry, [body for body in bodies if isinstance(body, LinkBody)]))
    results = [body if isinstance(body, Refusal) else next(made) for body in bodies]
    if not response.prepared:
        await response.prepare(request)
    origin = entry.service.settings.origin
    lines = [_result(origin, number + n, made) for n, made in enumerate(results, start=1)]
    await response.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def _decoded(line: Line) -> LinkBody | Refusal:
    if isinstance(line, Refusal):
        return line
    try:
        return decode(line, LinkBody, what="line")
    except Refusal as refusal:
        return refusal


def _result(origin: str, number: int, made: str | Refusal) -> dict[str, Any]:
    if isinstance(made, Refusal):
        return {"line": number, "problem": _problem(made)}
    return {"line": number, "token": made, "url": links.unsubscribe_url(origin, made)}


def _problem(refusal: Refusal) -> dict[str, str]:
    return {"code": refusal.code, "detail": str(refusal)}


async def _mint(entry: Entry, bodies: Sequence[LinkBody]) -> list[str | Refusal]:
    keyring = entry.service.book.keyring
    key = keyring.key(entry.brand.slug)
    tokens: list[str | Refusal] = []
    short: dict[int, Wanted] = {}
    for number, body in enumerate(bodies):
        try:
            if body.form == "short":
                recipient = Recipient.of(
                    Address.for_opt_out(body.channel, body.address), entry.service.vault
                )
                short[number] = Wanted(
                    recipient, body.topic, body.mailshot, body.language, country_of(body.country)
                )
                tokens.append("")
            else:
                tokens.append(links.seal(key, _link(body)))
        except Refusal as refusal:
            tokens.append(refusal)
    if short:
        async with entry.service.database.transaction() as tx:
            minted = await short_links.mint(tx, keyring, entry.brand, list(short.values()))
        for number, token in zip(short, minted, strict=True):
            tokens[number] = token
    return tokens


def _link(body: LinkBody) -> Link:
    address = Address.for_opt_out(body.channel, body.address)
    return link_of(address, body.topic, body.mailshot, body.language, country_of(body.country))


def link_of(
    address: Address,
    topic: str | None,
    mailshot: str | None,
    language: str | None,
    country: str | None,
) -> Link:
    """Return what a sealed link is to say; refuse what does not fit into one.

    The address was read first, so that no link is minted for what could not be recorded.
    """
    try:
        return Link(address.channel, address.as_written, topic, mailshot, language, country)
    except ValueError as error:
        raise InvalidLinkContent(f"This does not fit into a link: {error}.") from None
