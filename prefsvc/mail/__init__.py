"""What a mail says: opt-outs, complaints, and reports that nobody is there (RULES E-30 to E-52).

`read` is a function of the octets alone: no network, no database. docs/mail.md tells how.
"""

from prefsvc.mail.reading import OCTETS_MAX, Outcome, Reading, read

__all__ = ["OCTETS_MAX", "Outcome", "Reading", "read"]
