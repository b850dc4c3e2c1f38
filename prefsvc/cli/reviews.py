"""`prefsvc reviews`: doubtful replies, to read and to decide."""

from argparse import ArgumentParser, Namespace
from datetime import datetime
from typing import get_args
from uuid import UUID

from prefsvc import reviews
from prefsvc.cli.context import Commands, who, with_service
from prefsvc.doors import Service
from prefsvc.reviews import Answer, Choice, Review, State
from prefsvc.settings import Settings

SHOWN_DEFAULT = 20


def add_to(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("reviews", help="read and decide replies that may mean stop")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="list a brand's reviews, the oldest first")
    listed.add_argument("brand")
    listed.add_argument("--state", choices=get_args(State), help="only those in this state")
    shown = f"the most reviews ({SHOWN_DEFAULT})"
    listed.add_argument("--limit", type=int, default=SHOWN_DEFAULT, help=shown)
    listed.set_defaults(run=_list)
    show = actions.add_parser("show", help="show a review with the person's words")
    _add_review(show)
    show.set_defaults(run=_show)
    decide = actions.add_parser("decide", help="decide a review, once")
    _add_review(decide)
    decide.add_argument("decision", choices=get_args(Choice), help="whether it was a stop")
    decide.add_argument("--note", help="what else there is to say")
    decide.add_argument("--by", help="who says so (the account that runs this)")
    decide.set_defaults(run=_decide)


def _add_review(parser: ArgumentParser) -> None:
    parser.add_argument("brand")
    parser.add_argument("review", type=UUID, help="its id")


def _list(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> list[Review]:
        brand = await service.brand(given.brand)
        async with service.database.read() as tx:
            size = max(given.limit, 0)
            return await reviews.page(tx, brand, state=given.state, size=size)

    lines = [_line(one, settings) for one in with_service(settings, work)]
    print("\n".join(lines) or "There is no such review.")
    return 0


def _show(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> Review:
        brand = await service.brand(given.brand)
        async with service.database.read() as tx:
            return await reviews.find(tx, brand, given.review)

    _print_whole(with_service(settings, work), settings)
    return 0


def _decide(settings: Settings, given: Namespace) -> int:
    async def work(service: Service) -> Review:
        brand = await service.brand(given.brand)
        answer = Answer(given.decision, who(given), given.note)
        return await service.decide(brand, given.review, answer)

    review = with_service(settings, work)
    print(_line(review, settings), review.consequence, sep="\n")
    return 0


def _line(review: Review, settings: Settings) -> str:
    due_at = review.due_at(settings.review_age)
    state = f"open, a stop at {_moment(due_at)}" if due_at else _decided(review)
    return f"{_moment(review.asked_at)}  {review.review_id}  {review.reading['rule']}  {state}"


def _decided(review: Review) -> str:
    note = f": {review.note}" if review.note else ""
    return f"{review.state} by {review.decided_by}{note}"


def _print_whole(review: Review, settings: Settings) -> None:
    address = review.recipient.address
    print(_line(review, settings))
    print(f"  from  {address.canonical if address else 'an erased address'}")
    # Written as Python would, so that no letter of it can command the terminal.
    print(f"  text  {review.evidence.get('body', '')!r}")
    print(f"  {review.consequence}")


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""
