"""Which sender a call is about: the key's own, or the one that an operator names."""

from prefsvc import senders
from prefsvc.db.connection import Tx
from prefsvc.errors import InvalidParameter, NotAllowed
from prefsvc.sender import Sender
from prefsvc.web.auth import Entry


async def sender_named(tx: Tx, entry: Entry, asked: str | None) -> Sender:
    """Return the sender that the call is about, or refuse."""
    own = entry.caller.sender_slug
    if own and asked not in {None, own}:
        raise NotAllowed("This key is another sender's.")
    slug = own or asked
    if slug is None:
        raise InvalidParameter("An operator's key is no sender's; name one.", pointer="sender")
    return await senders.find(tx, entry.brand, slug)
