"""What an error of Telnyx' says about the person whom a message was for (RULES S-28).

Telnyx sorts its errors into permanent ones and others (developers.telnyx.com, Messaging Error Code
Reference). Of the permanent ones, two are about the person; the rest is about the sender: its
number (40003), its registration (40010), its account (40314), its words (40322).

Not in the table, though they may look like it: 40012, "deemed invalid by the carrier", which is
also said of a person out of credit, and is worth a slow retry (api/errors/40012); 40004, 40006 and
40008, which the carrier does not explain or which pass; 40310, which refuses how a number is
written before anything is sent.
"""

from typing import Final

from prefsvc.sms.status import SendError

SEND_ERRORS: Final = {
    error.code: error
    for error in (
        # "The destination has sent your number a stop message" (api/errors/40300). An example in
        # the guide to webhooks calls the same code "unreachable": where they differ, it is a stop.
        SendError("40300", "opt_out", "S-27", "opted out with Telnyx: a block rule of the profile"),
        # "Either a landline or a non-routable wireless number" (Messaging Error Codes; permanent).
        SendError("40001", "undeliverable", "S-28", "a landline, or a number without a route"),
    )
}
