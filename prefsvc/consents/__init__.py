"""Telling Twilio of opt-outs that it has not heard, by its Consent Management API (RULES S-30).

The ledger itself is what waits (`lanes`); rows name numbers, and what is told of one is read when
it is told (`telling`, `words`). `answers` reads what Twilio says to it, `pace` counts by when it is
all told, and `backlog` shows how it stands.
"""
