"""What an embedded installation says when it is up: where it is, and how to try the whole path."""

from pathlib import Path

from prefsvc import api_keys, links, senders
from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.errors import SenderExists
from prefsvc.links import Link
from prefsvc.vault import write_secret

FIRST_KEY_FILE = "first_api_key"
FIRST_SENDER = "first-sender"
TRIED_ADDRESS = "ann@example.org"


async def say(service: Service, is_new: bool) -> None:  # noqa: FBT001 - the only thing it is told
    """Print the link, the key and the commands; the first key is kept with the secrets."""
    brand = _first_brand(service)
    if brand is None:
        print(f"prefsvc is ready at {service.settings.origin}; apply your brands next.", flush=True)
        return
    path = service.settings.secrets_folder / FIRST_KEY_FILE
    if is_new:
        await _make_first_key(service, brand, path)
    if path.is_file():
        print(_text(service, brand, path.read_text().strip()), flush=True)


def _first_brand(service: Service) -> AppliedBrand | None:
    living = (b for b in service.book.by_slug.values() if b.retired_at is None)
    with_email = (b for b in living if "email" in b.brand.channels)
    return min(with_email, key=lambda one: one.brand_id, default=None)


async def _make_first_key(service: Service, brand: AppliedBrand, path: Path) -> None:
    try:
        async with service.database.transaction() as tx:
            sender = await senders.add(tx, brand, FIRST_SENDER, "email")
            key = await api_keys.create(
                tx, label="made at the first start", brand=brand, sender=sender
            )
    except SenderExists:
        return
    write_secret(path, key)


def _text(service: Service, brand: AppliedBrand, key: str) -> str:
    origin, slug = service.settings.origin, brand.slug
    token = links.seal(service.book.keyring.key(slug), Link("email", TRIED_ADDRESS))
    link = links.unsubscribe_url(origin, token)
    return _TEXT.format(
        origin=origin,
        data=service.settings.data_dir,
        link=link,
        key=key,
        brand=slug,
        sender=FIRST_SENDER,
    )


_TEXT = r"""
prefsvc is ready at {origin} (documentation: {origin}/docs)
  data            {data}
  unsubscribe     {link}
  first API key   {key}

Try the whole path, from a click to a clearance, in another terminal:
  b={origin}/v1/brands/{brand}; k='Authorization: Bearer {key}'
  curl -d List-Unsubscribe=One-Click {link}
  curl -H "$k" $b/suppressions | tee list.ndjson
  curl -H "$k" $b/feed/acknowledgements -d "$(tail -n 1 list.ndjson)"
And then ask whether you may send:
  curl -H "$k" $b/senders/{sender}/clearance
"""
