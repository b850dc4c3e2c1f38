"""Every metric, with a sentence each. No label ever carries an address, a token or free text."""

from prometheus_client import Counter, Gauge, Histogram

OPT_OUTS = Counter(
    "prefsvc_opt_outs_total",
    "Opt-outs recorded, by channel, source and whether they were new.",
    ["channel", "source", "is_new"],
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
LOOP_FAULTS = Counter(
    "prefsvc_loop_faults_total",
    "Rounds of background loops that failed and will be tried again.",
    ["loop"],
)
