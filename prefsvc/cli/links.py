"""`prefsvc links`: mint a link by hand, or hand a program the key to mint its own."""

from argparse import Namespace

from prefsvc import links, short_links
from prefsvc.address import CHANNELS, Address
from prefsvc.brands import AppliedBrand
from prefsvc.cli.context import Commands, with_service
from prefsvc.country import parse_country
from prefsvc.doors import Service
from prefsvc.links import Link
from prefsvc.recipients import Recipient
from prefsvc.settings import Settings
from prefsvc.short_links import Wanted
from prefsvc.web.link_api import link_of


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("links", help="mint unsubscribe links")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    mint = actions.add_parser("mint", help="print a link for one recipient")
    mint.add_argument("brand")
    mint.add_argument("address")
    mint.add_argument("--channel", choices=CHANNELS, default="email")
    mint.add_argument("--topic")
    mint.add_argument("--mailshot")
    mint.add_argument("--language")
    mint.add_argument("--country", help="where the recipient is: US, NZ ...")
    mint.add_argument("--short", action="store_true", help="a short link, for texts and print")
    mint.set_defaults(run=_mint)
    key = actions.add_parser("key", help="print the brand's key, for prefsvc.links elsewhere")
    key.add_argument("brand")
    key.set_defaults(run=_key)


def _mint(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> str:
        brand = await service.brand(given.brand)
        return await (_short if given.short else _sealed)(service, brand, given)

    print(links.unsubscribe_url(settings.origin, with_service(settings, work)))
    return 0


async def _sealed(service: Service, brand: AppliedBrand, given: Namespace) -> str:
    return links.seal(service.book.keyring.key(brand.slug), _link(given)[1])


async def _short(service: Service, brand: AppliedBrand, given: Namespace) -> str:
    address, link = _link(given)  # the same limits
    recipient = Recipient.of(address, service.vault)
    wanted = Wanted(recipient, link.topic, link.mailshot, link.language, link.country)
    async with service.database.transaction() as tx:
        [token] = await short_links.mint(tx, service.book.keyring, brand, [wanted])
    return token


def _link(given: Namespace) -> tuple[Address, Link]:
    address = Address.for_opt_out(given.channel, given.address)
    country = parse_country(given.country) if given.country else None
    return address, link_of(address, given.topic, given.mailshot, given.language, country)


def _key(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> str:
        brand = await service.brand(given.brand)
        return service.book.keyring.key(brand.slug).text

    print(with_service(settings, work))
    return 0
