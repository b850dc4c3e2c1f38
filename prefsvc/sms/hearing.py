"""Hear a STOP or START: look, ask the provider for moments where they matter, and decide."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from prefsvc.doors import Service
from prefsvc.outward import twilio_messages
from prefsvc.text_order import Moments, Text
from prefsvc.texts import Heard, Undecided, Word

log = structlog.get_logger()

_ASKED_MAX: Final = 8
"""As many texts as one person sends in a hurry; what is not asked about stays unknown."""


async def hear(service: Service, word: Word) -> Heard:
    """Record it; it is durable when this returns.

    The provider is asked only where a STOP and a START may have crossed (RULES S-20), once, and
    while no transaction is open.
    """
    heard = await service.hear(word)
    if isinstance(heard, Undecided):
        return await service.settle(word, await _moments(service, heard.texts))
    return heard


async def _moments(service: Service, texts: Sequence[Text]) -> Moments:
    asked = texts[:_ASKED_MAX]
    found = await asyncio.gather(*[_moment(service, text) for text in asked])
    moments = {text: at for text, at in zip(asked, found, strict=True) if at}
    log.info("texts_crossed", texts=len(asked), moments_known=len(moments))
    return moments


async def _moment(service: Service, text: Text) -> datetime | None:
    if text.provider != "twilio" or not text.account:
        return None
    return await twilio_messages.created_at(
        service.settings, service.vault, text.account, text.message_id
    )
