"""Every metric, with a sentence each. No label ever carries an address, a token or free text."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

OPT_OUTS = Counter(
    "prefsvc_opt_outs_total",
    "Opt-outs recorded, by channel, source and whether they were new.",
    ["channel", "source", "is_new"],
)
MISSED_OPT_OUTS = Counter(
    "prefsvc_missed_opt_outs_total",
    "Opt-outs that reached us only as an error of the provider, by brand, provider and code.",
    ["brand", "provider", "code"],
)
MAILS = Counter(
    "prefsvc_mails_total",
    "Mails taken, by outcome: opt_out, complaint, undeliverable, ask, ignored, or fault.",
    ["outcome"],
)
MAILS_AUTHENTICATED = Counter(
    "prefsvc_mails_authenticated_total",
    "Mails that ask or report something, by whether somebody vouches for their author: "
    "authenticated, unauthenticated, or unknown (DNS was away, or your server stamped nothing).",
    ["outcome"],
)
MAIL_EVENTS = Counter(
    "prefsvc_mail_events_total",
    "Events that mail providers told, by provider and kind: unsubscribe, complaint, bounce_hard, "
    "bounce_soft, resubscribe, other, or unreadable.",
    ["provider", "kind"],
)
MAILBOX_PULLED = Gauge(
    "prefsvc_mailbox_pulled_timestamp_seconds",
    "When a mailbox was last looked into without a fault; until then, when that was begun here.",
    ["mailbox"],
)
MAILBOX_MAILS = Counter(
    "prefsvc_mailbox_mails_total",
    "Mails pulled from a mailbox: taken, cut (so large that its beginning was read), or failed (to "
    "be tried again).",
    ["mailbox", "what"],
)
MAILBOX_ASIDE = Gauge(
    "prefsvc_mailbox_set_aside",
    "Mails in a mailbox that could not be taken and are tried no more; somebody must read them.",
    ["mailbox"],
)
MAILBOX_FAULTS = Counter(
    "prefsvc_mailbox_faults_total",
    "Times that a mailbox could not be looked into, by what was in the way.",
    ["mailbox", "how"],
)
OF_MAILBOXES = (MAILBOX_PULLED, MAILBOX_ASIDE)
"""Of which there are none for a mailbox that is pulled no more."""
UNORDERED_STARTS = Counter(
    "prefsvc_unordered_starts_total",
    "STARTs by text that lifted nothing, because they may have been sent before a STOP, by brand.",
    ["brand"],
)
SENDS = Counter(
    "prefsvc_sends_total",
    "Messages that senders reported, by brand and verdict: clear, in_flight, violation, exempt, "
    "or refused.",
    ["brand", "verdict"],
)
SPOOLED = Counter(
    "prefsvc_spooled_total",
    "Opt-outs that were kept in the spool, because the database did not answer.",
)
SPOOL_WAITING = Gauge(
    "prefsvc_spool_waiting", "Opt-outs in the spool that are not in the register yet."
)
SPOOL_SET_ASIDE = Gauge(
    "prefsvc_spool_set_aside",
    "Opt-outs in the spool that the register did not take; see `prefsvc spool list`.",
)
DATABASE_AWAY = Gauge(
    "prefsvc_database_away", "1 while the database does not answer and opt-outs are spooled."
)
REQUESTS = Counter(
    "prefsvc_requests_total",
    "Requests answered, by route, method and status.",
    ["route", "method", "status"],
)
REQUEST_SECONDS = Histogram(
    "prefsvc_request_seconds",
    "How long requests took, by route and method; streams and long polls included.",
    ["route", "method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
CHECKPOINTS = Counter("prefsvc_ledger_checkpoints_total", "Ledger checkpoints made.")
LEDGER_BROKEN = Gauge(
    "prefsvc_ledger_broken_places",
    "Brands and buckets whose ledger is not as prefsvc wrote it; run `prefsvc ledger verify`.",
)
FEED_WAITERS = Gauge("prefsvc_feed_waiters", "Feed polls that are waiting for a change.")
SENDER_OWED = Gauge(
    "prefsvc_sender_owed_opt_outs",
    "Opt-outs that a sender has not acknowledged, by brand and sender.",
    ["brand", "sender"],
)
SENDER_STATE = Gauge(
    "prefsvc_sender_state",
    "1 for the state that a sender is in and 0 for the others, by brand and sender.",
    ["brand", "sender", "state"],
)
SENDER_DEADLINE = Gauge(
    "prefsvc_sender_next_deadline_timestamp_seconds",
    "The first deadline among what a sender owes; absent where it owes nothing.",
    ["brand", "sender"],
)
SENDER_ACKNOWLEDGED = Gauge(
    "prefsvc_sender_acknowledged_timestamp_seconds",
    "When a sender last acknowledged; how long ago is the honour lag. Absent where it never has.",
    ["brand", "sender"],
)
OPEN_CASES = Gauge(
    "prefsvc_open_cases", "Cases that nobody has resolved, by brand and kind.", ["brand", "kind"]
)
OPEN_REVIEWS = Gauge(
    "prefsvc_open_reviews", "Doubtful replies that nobody has decided, by brand.", ["brand"]
)
OLDEST_REVIEW = Gauge(
    "prefsvc_review_oldest_open_seconds",
    "How long a brand's oldest doubtful reply has waited for a decision; absent where none does.",
    ["brand"],
)
ALARMS = Counter(
    "prefsvc_alarms_total", "Alarms raised, by step of a sender's clock, or mail_flood.", ["step"]
)
MAIL_FLOODS = Gauge(
    "prefsvc_mail_floods",
    "Origins from which removals by mail that nobody vouches for come in a flood, by brand.",
    ["brand"],
)
LOOP_ROUND = Gauge(
    "prefsvc_loop_round_timestamp_seconds",
    "When each background loop last finished a round here.",
    ["loop"],
)
DELIVERY_ATTEMPTS = Counter(
    "prefsvc_delivery_attempts_total",
    "Attempts to send a notice or a receipt, by kind of endpoint (webhook, mail, receipt) and "
    "outcome.",
    ["kind", "outcome"],
)
DELIVERIES_PENDING = Gauge(
    "prefsvc_deliveries_pending", "Notices on their way to an endpoint, and receipts to a person."
)
DELIVERIES_FAILED = Gauge(
    "prefsvc_deliveries_failed",
    "Notices that did not reach their endpoint in the days that the log keeps; replay them. "
    "Receipts are not among them.",
)
DELIVERY_OLDEST = Gauge(
    "prefsvc_delivery_oldest_pending_seconds",
    "How long the oldest notice has been on its way; 0 when there is none.",
)
TWILIO_REQUESTS = Counter(
    "prefsvc_twilio_requests_total",
    "Requests that told Twilio of opt-outs, by account and outcome.",
    ["account", "outcome"],
)
TWILIO_ITEMS = Counter(
    "prefsvc_twilio_items_total",
    "What Twilio was told (opt_out, opt_in), did not take (put_off, failed), and what was not told "
    "(nothing_to_tell, erased).",
    ["outcome"],
)
TWILIO_PENDING = Gauge(
    "prefsvc_twilio_pending",
    "Items that Twilio has not been told, at the most, by account and lane: fresh or backfill.",
    ["account", "lane"],
)
TWILIO_THROUGH = Gauge(
    "prefsvc_twilio_through_seconds",
    "How long it will take until Twilio has been told of all in a lane; 0 when there is nothing.",
    ["account", "lane"],
)
TWILIO_MAY_MISS = Gauge(
    "prefsvc_twilio_may_miss_deadline",
    "1 where a lane will be through later than the earliest deadline in it.",
    ["account", "lane"],
)
TWILIO_FAILED = Gauge(
    "prefsvc_twilio_failed",
    "Items that Twilio refused for good, by account; `prefsvc twilio status` says why.",
    ["account"],
)
TWILIO_OLDEST = Gauge(
    "prefsvc_twilio_oldest_pending_seconds",
    "How long the oldest item has waited to be told; 0 when there is none.",
    ["account"],
)
TWILIO_FAILING = Gauge(
    "prefsvc_twilio_failing_seconds",
    "For how long every request of an account has come to nothing; 0 while they are answered.",
    ["account"],
)
TWILIO_WITHOUT_TOKEN = Gauge(
    "prefsvc_twilio_without_token",
    "1 where an account is to be told and this process has no token for it.",
    ["account"],
)
OF_TWILIO_ACCOUNTS = (
    TWILIO_PENDING,
    TWILIO_THROUGH,
    TWILIO_MAY_MISS,
    TWILIO_FAILED,
    TWILIO_OLDEST,
    TWILIO_FAILING,
    TWILIO_WITHOUT_TOKEN,
)
"""Of which there are none for an account that is told no more."""
CONNECTIONS = Gauge("prefsvc_connections", "HTTP connections that are open.")
CONNECTIONS_ENDED = Counter(
    "prefsvc_connections_ended_total",
    "HTTP connections that were hung up on, by why: slow_head, slow_body, slow_reader, of_all or "
    "of_address to make room, or refused, because none could be made.",
    ["why"],
)
WORKERS = Gauge("prefsvc_workers", "Processes that serve.")
WORKERS_LOST = Counter(
    "prefsvc_workers_lost_total",
    "Workers that died, or were killed for their silence, and were started again, by which.",
    ["how"],
)
LEADS = Gauge(
    "prefsvc_leads",
    "1 at the process that runs the background loops of all; how many there are, over all workers.",
)
LOOP_FAULTS = Counter(
    "prefsvc_loop_faults_total",
    "Rounds of background loops that failed and will be tried again.",
    ["loop"],
)
_OF_THE_LEADER: Final = (
    SENDER_OWED,
    SENDER_STATE,
    SENDER_DEADLINE,
    SENDER_ACKNOWLEDGED,
    OPEN_CASES,
    OPEN_REVIEWS,
    OLDEST_REVIEW,
    *OF_TWILIO_ACCOUNTS,
    LOOP_ROUND,  # our own loops show themselves again at their next round
)
_COUNTS_OF_THE_LEADER: Final = (
    LEADS,
    LEDGER_BROKEN,
    DELIVERIES_PENDING,
    DELIVERIES_FAILED,
    DELIVERY_OLDEST,
)


def let_go_of_the_lease() -> None:
    """Show no more what another process sees to now: it would stand still here."""
    for gauge in _OF_THE_LEADER:
        gauge.clear()
    for count in _COUNTS_OF_THE_LEADER:
        count.set(0)
