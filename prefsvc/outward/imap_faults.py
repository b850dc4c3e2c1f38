"""What may be in the way between us and a mailbox, in words of ours.

Nothing that a server says is repeated: it may be anything.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from imapclient.exceptions import (
    CapabilityError,
    IMAPClientAbortError,
    IMAPClientError,
    IMAPClientReadOnlyError,
)

How: TypeAlias = Literal[
    "no_password", "not_connected", "timed_out", "untrusted", "login_refused", "no_folder", "unfit",
    "refused", "marks_not_kept", "not_recorded",
]  # fmt: skip


class MailboxError(Exception):
    """A mailbox could not be looked into; `how` says what was in the way."""

    def __init__(self, how: How) -> None:
        super().__init__(how)
        self.how = how


@contextmanager
def told() -> Iterator[None]:
    """Turn whatever the library raises into what was in the way."""
    try:
        yield
    except MailboxError:
        raise
    except (CapabilityError, IMAPClientReadOnlyError):
        raise MailboxError("unfit") from None
    except ssl.SSLCertVerificationError:
        raise MailboxError("untrusted") from None
    except TimeoutError:
        raise MailboxError("timed_out") from None
    except (OSError, IMAPClientAbortError):
        raise MailboxError("not_connected") from None
    except (IMAPClientError, ValueError):  # what is no IMAP, too
        raise MailboxError("refused") from None
