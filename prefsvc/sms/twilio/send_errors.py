"""What an error of Twilio's says about the person whom a message was for (RULES S-28).

Most errors are about the message, the network or the hour, and so nothing is known of the person:
30003 and 30005 (a handset or a destination that is away), 30004 and 30007 (blocked by a carrier),
30610 and 30047 (quiet hours), 30640 (a known litigator). Those and all others are not in the table.
"""

from typing import Final

from prefsvc.sms.status import SendError

SEND_ERRORS: Final = {
    error.code: error
    for error in (
        SendError("21610", "opt_out", "S-27", "opted out with Twilio, or the number is another's"),
        SendError("63014", "opt_out", "S-28", "blocked the brand on WhatsApp or another network"),
        SendError("30006", "undeliverable", "S-28", "a landline, or a carrier without texts"),
        SendError("21635", "undeliverable", "S-28", "a landline"),
        SendError("21614", "undeliverable", "S-28", "not a mobile number"),
    )
}
