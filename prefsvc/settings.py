"""Every knob, read once at start from PREFSVC_* variables; a wrong value stops the start."""

import os
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from yarl import URL

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
_PORT_OF_DNS: Final = 53
_PORT_MAX: Final = 65535
WORKERS_MAX: Final = 64
_THIS_MACHINE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def default_data_dir() -> Path:
    """Return where an installation that says nothing keeps its data."""
    if os.geteuid() == 0:
        return Path("/var/lib/prefsvc")
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "prefsvc"


def place_of(server: str) -> tuple[str, int]:
    """Return the address and the port of a name server."""
    host, colon, port = server.rpartition(":")
    if colon and (server.startswith("[") or ":" not in host) and port.isdecimal():
        return host.strip("[]"), int(port)
    return server.strip("[]"), _PORT_OF_DNS


class Settings(BaseSettings):
    """The service's configuration. Names carry their units; docs/operating.md lists them all."""

    model_config = SettingsConfigDict(
        env_prefix="PREFSVC_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    # Where things are.
    database_url: SecretStr | None = None
    """Your own PostgreSQL (14-18); without it prefsvc runs an embedded one in data_dir."""
    data_dir: Path = Field(default_factory=default_data_dir)
    """Where the embedded PostgreSQL and, by default, the secrets live."""
    secrets_dir: Path | None = None
    """Where the files pepper, token_keys, sealing_key, ledger_key are; else data_dir/secrets."""
    pg_bindir: Path | None = None
    """Where PostgreSQL's binaries are, for an embedded engine of your own choosing."""
    brands_dir: Path | None = None
    """Brand files to apply at every start; without it `prefsvc brands apply` does it."""

    # The doors.
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """The port to listen on; 0 takes a free one and says which."""
    public_url: str = ""
    """How the world reaches this service, for example https://stop.example.com; links carry it and
    Twilio signs it. By default http://host:port."""

    workers: Annotated[int, Field(gt=0, le=WORKERS_MAX)] = 1
    """How many processes serve; `prefsvc serve --workers` says it, too. About as many as there are
    processors, less what PostgreSQL needs."""
    worker_silence_seconds: Annotated[float, Field(ge=5)] = 30
    """After how long a silence a worker is taken to be stuck, killed and started again."""

    lists_at_once_max: Positive = 32
    """The most checks, acknowledgements, clearances and pages of links that are worked on at once,
    so that an opt-out that comes meanwhile waits for few of them."""
    rest_at_once_max: Positive = 8
    """The most other requests that are worked on at once, but for opt-outs."""
    requests_waiting_max: Positive = 500
    """How many may wait for each of these; who comes then is told to come later."""
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = (
        IPv4Network("127.0.0.0/8"),
        IPv6Network("::1/128"),
    )
    """Networks of your proxies, separated by commas: what they say in X-Forwarded-For is believed,
    for limits alone, and they may have any number of connections."""
    connections_max: Positive = 4000
    """The most HTTP connections of one process. Above, those that have waited longest make room."""
    connections_per_address_max: Positive = 200
    """The most of them that come from one address, trusted proxies aside."""
    keep_alive_seconds: Seconds = 150
    """How long a connection is kept on which nothing is asked: longer than your proxy keeps it."""
    header_timeout_seconds: Seconds = 10
    """How long the head of a request may take to arrive."""
    body_rate_bytes_per_second_min: Positive = 100
    """How fast a body must arrive, at the least, in every ten seconds."""
    write_timeout_seconds: Seconds = 60
    """How long a reader may take for what is buffered for it, some 64 KiB."""
    requests_per_key_per_minute_max: Positive = 60_000
    """The most requests with one API key, in each process. Opt-outs do not count."""
    requests_per_address_per_minute_max: Positive = 6000
    """The most requests of one address without a key that is known to be good, in each process.
    Opt-outs do not count."""

    # The door for mail.
    mail_listen_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """The port that mail is taken at, from your mail server or by itself; without it none is. 0
    takes a free one and says which."""
    mail_listen_host: str = "127.0.0.1"
    """The address to take mail at."""
    mail_listen_protocol: Literal["smtp", "lmtp"] = "smtp"
    """How mail is handed over."""
    mail_tls_certificate: Path | None = None
    """A PEM file with the certificate that STARTTLS is offered with; without it none is offered."""
    mail_tls_key: Path | None = None
    """A PEM file with its key, where that is not in the same one."""
    mail_bytes_max: Positive = 5 << 20
    """The largest mail; one that is larger goes back to who sent it."""
    mail_form_bytes_max: Positive = 32 << 20
    """The largest form that an inbound parser posts a mail in; of the mail itself no more is read
    than its own limit allows."""
    mail_connections_max: Positive = 32
    """The most connections at once, of all who hand over mail."""
    mail_connections_per_host_max: Positive = 16
    """The most of them that come from one host."""
    mail_per_minute_max: Positive = 6000
    """The most mails that one host may hand over in a minute; the rest is asked to come later."""
    mail_recipients_max: Positive = 50
    """The most recipients of one mail; the rest is asked to come by itself."""
    mail_timeout_seconds: Seconds = 120
    """The longest that one command may take to arrive, or one whole mail."""
    mailboxes_pulled: bool = True
    """Whether mail is pulled from the brands' mailboxes (docs/mail.md), by the process that leads;
    where two do, each mail still counts once."""
    mailbox_poll_seconds: Seconds = 60
    """How often a mailbox is looked into; at once where its server announces mail (IDLE)."""
    mailbox_timeout_seconds: Seconds = 30
    """How long a mailbox's server may be silent."""
    mailbox_batch_max: Positive = 100
    """The most mails that are fetched, taken and marked in one go."""
    mailbox_retry_seconds: Seconds = 5
    """How long after a failure a mailbox, or a mail in it, is tried again; each further time twice
    as long, up to 5 minutes. After a refused login 12 times as long, up to an hour."""
    mailbox_attempts_max: Positive = 8
    """How often a mail that cannot be taken is tried before it is set aside."""
    mailbox_ca_file: Path | None = None
    """A PEM file with the authority of the mailboxes' servers, where it is one of your own."""
    mails_read_at_once_max: Positive = 2
    """The most mails that are read at once; others wait."""
    mail_authentication: Literal["off", "header", "check"] = "off"
    """Who finds out whether a mail is from whom it says (DKIM, SPF, DMARC): nobody; your mail
    server, whose Authentication-Results are read (`mail_trusted_hosts`); or prefsvc, which asks
    DNS."""
    mail_trusted_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Your own mail servers, separated by commas: their names as they write them in Received (by)
    and Authentication-Results, and the networks in which they hand mail to each other, if those are
    public."""
    mail_peers: Literal["own", "strangers"] = "own"
    """Who hands over by SMTP: mail servers of your own, or, where the MX record points here,
    strangers', so that SPF is checked by their address and a flood known by it."""
    mail_complaint_domains: Annotated[tuple[str, ...], NoDecode] = ("arf.mail.yahoo.com",)
    """Domains whose DKIM signature proves a complaint (a feedback loop's report), separated by
    commas. One without it, and without a token of ours, is asked about."""
    dns_servers: Annotated[tuple[str, ...], NoDecode] = ()
    """The servers that DNS is asked at, as addresses or address:port, separated by commas; by
    default those of the system."""
    mail_dns_timeout_seconds: Annotated[float, Field(gt=0, le=10)] = 3
    """How long DNS may be asked for one mail; what is not known then stays unknown."""
    mail_dns_lookups_max: Positive = 60
    """The most questions to DNS for one mail."""
    mail_flood_size: Positive = 500
    """So many removals by mail from one origin that nobody vouches for are a flood: an alarm."""
    mail_flood_minutes: Positive = 60
    """Within so many minutes."""
    mail_flood_seconds: Seconds = 5
    """How often floods are looked for."""
    forged_at_once_max: Positive = 10_000
    """The most forged requests that one call looks at to take them back."""

    # Secrets that may also come from the environment (base64; otherwise from secrets_dir).
    pepper: SecretStr | None = None
    """Keys the address keys; 32 bytes."""
    token_keys: SecretStr | None = None
    """Master keys of unsubscribe links, newest first, separated by commas; 32 bytes each."""
    sealing_key: SecretStr | None = None
    """Seals what remains of an erased address, and the secrets of webhooks; 64 bytes."""
    ledger_key: SecretStr | None = None
    """Seals ledger rows and signs checkpoints; 32 bytes."""
    twilio_auth_tokens: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Twilio auth tokens or secrets of SharedKeys, separated by commas; any one that signs is good,
    so they can be rotated. `ACCOUNT_SID:token` holds a token to one account."""
    telnyx_public_keys: Annotated[tuple[str, ...], NoDecode] = ()
    """Public keys of Telnyx accounts in base64, separated by commas; any one whose holder signs is
    good, so they can be rotated. Without one, every webhook of Telnyx is refused."""
    mail_event_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """What proves mail providers' webhooks, as `source:secret`, separated by commas; also a file of
    that name. What the secret is depends on the provider (docs/mail-events.md)."""

    mailbox_passwords: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """What mailboxes are opened with, as `mailbox:password`, separated by commas; also a file of
    that name, with a line for each, where a password may have commas in it."""

    twilio_api_url: str = "https://api.twilio.com"
    """Where Twilio is asked when a STOP and a START were sent that crossed on their way."""

    # Limits.
    body_bytes_max: Positive = 1 << 20
    """The largest request body of the API."""
    bulk_body_bytes_max: Positive = 64 << 20
    """The largest streamed (NDJSON) request body."""
    link_body_bytes_max: Positive = 4096
    """How much of a one-click body is read; what follows is ignored and the opt-out honoured."""
    provider_body_bytes_max: Positive = 64 << 10
    """The largest body of a webhook that a provider of text messages posts."""
    twilio_events_body_bytes_max: Positive = 1 << 20
    """The largest batch that Twilio's Event Streams may post."""
    twilio_events_max: Positive = 1000
    """The most events in such a batch."""
    mail_event_body_bytes_max: Positive = 8 << 20
    """The largest webhook body of a mail provider."""
    mail_events_per_post_max: Positive = 10_000
    """The most events that one post of a mail provider may carry."""
    mail_event_age_hours_max: Positive = 48
    """How old the signature of a mail provider may be; what is older counts as a replay."""
    sns_document_bytes_max: Positive = 64 << 10
    """The largest answer that is read from Amazon SNS: a signing certificate."""
    sns_certificates_max: Positive = 16
    """How many signing certificates of Amazon SNS are kept in memory."""
    header_bytes_max: Positive = 8190
    """The longest request line, and the longest header."""
    body_read_timeout_seconds: Seconds = 20
    """How long a caller may take to send its body."""
    request_timeout_seconds: Seconds = 30
    """How long the API works on one request; streams and long polls have their own limits."""
    webhook_timeout_seconds: Seconds = 10
    """How long a webhook of a provider of text messages may take; then it is answered 503, so that
    the provider tries again. Twilio gives up after 15 (RULES S-08)."""
    text_order_seconds: Annotated[float, Field(ge=0)] = 30
    """How long after a STOP by text a START may have been sent before it (and the other way round):
    as long as one message's hand-over may take. Twilio gives the webhook 15 seconds, and then the
    fallback URL as many (RULES S-08). Longer where your connection overrides retry."""
    twilio_api_timeout_seconds: Seconds = 3
    """How long Twilio may take to say when messages were sent; then that is unknown."""
    api_key_trusted_seconds: Seconds = 1
    """How long an API key is believed without asking the database again: so soon every process
    refuses one that was revoked elsewhere."""
    api_key_remembered_seconds: Seconds = 86400
    """While the database does not answer: how long ago a key may have been looked up whose opt-outs
    are kept in the spool. One that was revoked since can record opt-outs, and nothing else."""
    api_keys_remembered_max: Positive = 10_000
    """The most API keys that one process remembers; those that were used last."""
    check_addresses_max: Positive = 10_000
    """The most addresses in one check."""
    check_statements_at_once_max: Positive = 2
    """The most statements that answer checks of few addresses at once; more than one only while one
    takes long, and what arrives together shares one."""
    links_bulk_max: Positive = 100_000
    """The most links minted in one bulk call."""
    stream_timeout_seconds: Seconds = 3600
    """The longest a streamed (NDJSON) body may take to arrive, and its answer to leave."""
    sends_lines_max: Positive = 1_000_000
    """The most messages in one send report."""
    sends_body_bytes_max: Positive = 512 << 20
    """The largest send report, after its content encoding is undone."""
    sends_at_once_max: Positive = 4
    """The most send reports that are read at once; each keeps up to 64 MiB of verdicts."""
    sends_per_sender_max: Positive = 2
    """The most of them that are one sender's, so that none takes all the others' places."""
    import_body_bytes_max: Positive = 2 << 30
    """The largest import over the API, after its content encoding is undone."""
    imports_at_once_max: Positive = 2
    """The most imports over the API that are read at once."""
    import_batch_size: Positive = 4096
    """How many rows of an import over the API are sorted by bucket and recorded together: of each
    bucket some sixty, so that nobody's opt-out waits long behind them."""
    import_refusals_kept_max: Positive = 10_000
    """Of how many refused rows an import keeps where they stand and why; all are counted."""
    sender_clock_ahead_seconds_max: Annotated[float, Field(ge=0)] = 60
    """How far a sender's clock may be ahead of ours; what was sent later still is refused."""
    feed_page_size_max: Positive = 10_000
    """The most positions that one feed page covers."""
    feed_wait_seconds_max: Seconds = 60
    """The longest a feed poll waits for a change."""
    feed_waiters_max: Positive = 1000
    """The most feed polls that wait at once."""
    feed_recheck_seconds: Seconds = 0.5
    """How soon a waiting poll sees what another process committed."""
    snapshot_timeout_seconds: Seconds = 3600
    """The longest a snapshot may stream."""
    snapshots_at_once_max: Positive = 4
    """The most snapshots that stream at once."""
    undo_minutes: Positive = 30
    """How long the success page's undo works (RULES X-04)."""
    receipt_every_days: Positive = 7
    """How long after one receipt by mail an address gets no other (RULES E-33)."""
    receipt_undo_days: Positive = 7
    """How long the undo that a receipt links to is offered."""
    review_days_max: Positive = 3
    """How long a doubtful reply waits for somebody's decision; then it is a stop."""
    idempotency_hours: Positive = 72
    """How long an answer is kept for a retry with the same Idempotency-Key."""

    # Notices: webhooks and mail.
    outward_networks_allowed: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Networks of your own that webhooks may reach, by http, too, for example 10.0.0.0/8, separated
    by commas. Everything else that is not public is refused."""
    delivery_timeout_seconds: Seconds = 15
    """How long one attempt may take, from looking up the name to the answer."""
    delivery_schedule_seconds: Annotated[tuple[Seconds, ...], NoDecode] = (
        5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400,
    )  # fmt: skip
    """The waits between one attempt and the next, separated by commas; after the last attempt the
    delivery has failed. The default is that of Standard Webhooks, 76 hours in all."""
    delivery_jitter_percent: Annotated[float, Field(ge=0, le=50)] = 10
    """By how much a wait may be shorter or longer, by chance."""
    retry_after_seconds_max: Seconds = 86400
    """The longest wait that a receiver may ask for by Retry-After."""
    deliveries_at_once_max: Positive = 32
    """The most attempts that one process makes at once."""
    deliveries_per_endpoint_max: Positive = 4
    """The most attempts that one process makes at once at one endpoint."""
    replays_at_once_max: Positive = 10_000
    """The most failed deliveries that are sent off again in one call."""
    delivery_log_days: Positive = 30
    """How long the log keeps a delivery after its end."""
    endpoints_per_brand_max: Positive = 100
    """The most endpoints of one brand."""
    endpoints_per_sender_max: Positive = 10
    """The most endpoints of one sender."""
    smtp_host: str = ""
    """Your mail server, for alarms by mail and for receipts; without it mailboxes are refused as
    endpoints, and nobody who opts out by mail has a receipt."""
    smtp_port: Annotated[int, Field(gt=0, le=65535)] = 587
    """Its port: 587 for starttls, 465 for tls, 25 for none."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection to it is kept private; `none` is for a server on this machine."""
    smtp_username: str = ""
    """The account that mail is sent as, where the server asks for one."""
    smtp_password: SecretStr | None = None
    """Its password."""
    mail_from: str = ""
    """The address that alarms come from, for example prefsvc@example.com."""

    # Telling Twilio of opt-outs.
    twilio_consents_url: str = "https://accounts.twilio.com/v1/Consents/Bulk"
    """Where Twilio is told of opt-outs, for brands whose file has a `twilio_account`."""
    twilio_request_seconds: Seconds = 0.64
    """How far apart the requests of one account are, all processes together. Twilio takes 100 a
    minute; this leaves room for what the network delays."""
    twilio_timeout_seconds: Seconds = 3
    """How long one request may take; Twilio itself gives up then."""
    twilio_requests_at_once_max: Positive = 8
    """The most requests that one process has under way."""
    twilio_backlog_max: Positive = 10_000
    """The most numbers that wait in either lane of a brand; the rest waits in the ledger."""
    twilio_failed_max: Positive = 1000
    """How many may have failed in a target's backfill before it waits for somebody to look."""
    twilio_failed_days: Positive = 90
    """How long what Twilio refused for good stays to be seen and told again."""
    twilio_positions_max: Positive = 1000
    """The most positions of a feed that are looked at in one go for a lane."""
    twilio_retries_max: Positive = 10_000
    """The most that `prefsvc twilio retry` has told again in one go."""

    # Group commit.
    acts_per_commit_max: Positive = 256
    """The most opt-outs that share one transaction."""
    acts_waiting_max: Positive = 20_000
    """The most opt-outs that wait to be committed; who comes then is told to try again."""
    commits_at_once_max: Positive = 4
    """The most such transactions at once; more than one only while one takes long."""

    # The spool, for while the database does not answer.
    spool_dir: Path | None = None
    """Where opt-outs are kept while the database does not answer; by default `spool` in data_dir.
    All processes of one machine share it, and it must outlive them."""
    spool_after_seconds: Seconds = 3
    """How long the database may take with an opt-out, or to answer at all, before what is said is
    kept in the spool."""
    spool_probe_seconds: Seconds = 1
    """How often a database that does not answer is asked again."""
    spool_items_max: Positive = 1_000_000
    """The most opt-outs that are kept; who comes then is told to try again."""
    spool_bytes_max: Positive = 2 << 30
    """The largest that the spool's file may become."""
    spool_replay_max: Positive = 256
    """The most opt-outs that are given back to the register in one transaction."""

    # The database.
    pool_size: Positive = 16
    """The most connections one process opens, beside one for the lease. Opt-outs may have all."""
    pool_lists_max: Positive = 4
    """The most of them that checks, feeds, acknowledgements and clearances have at once."""
    pool_streams_max: Positive = 4
    """The most that snapshots and other exports have, each for as long as its reader takes."""
    pool_loops_max: Positive = 3
    """The most that background loops have at once."""
    pool_rest_max: Positive = 2
    """The most that every other request has at once."""
    pool_waiting_max: Positive = 200
    """How many may wait for each of these; who comes then is told to come later."""
    pool_waiting_intake_max: Positive = 2000
    """How many may wait for a connection to record an opt-out."""
    statement_timeout_seconds: Seconds = 15
    """The longest a single statement may run, streams aside."""
    lock_timeout_seconds: Seconds = 5
    """The longest a statement waits for a lock."""
    connect_timeout_seconds: Seconds = 10
    """The longest a new connection, or a wait for a pooled one, may take."""
    engine_start_timeout_seconds: Seconds = 60
    """The longest the embedded PostgreSQL may take to start; crash recovery takes a while."""

    # Loops.
    checkpoint_seconds: Seconds = 0.5
    """How often the ledger's checkpoints are made."""
    tally_seconds: Seconds = 2
    """How often the ledger's new blocks are tallied, from which what senders owe is summed up."""
    brands_refresh_seconds: Seconds = 1
    """How soon a process sees brands that another applied."""
    alarm_seconds: Seconds = 1
    """How often every sender's clock is looked at."""
    notice_seconds: Seconds = 1
    """How soon change notices are written of what another process committed."""
    notice_gather_seconds: Seconds = 0.05
    """How long changes are gathered before their notices are written."""
    notice_positions_max: Positive = 1000
    """The most positions of a feed that are looked at in one go for one endpoint."""
    endpoint_backlog_max: Positive = 1000
    """The most change notices that wait for one endpoint; the rest waits in the ledger."""
    delivery_seconds: Seconds = 1
    """How soon notices that another process put on their way, and retries, are seen."""
    backlog_seconds: Seconds = 10
    """How often the deliveries that wait or failed are counted."""
    twilio_seconds: Seconds = 0.5
    """How soon Twilio is told of what another process committed."""
    review_seconds: Seconds = 10
    """How often doubtful replies are counted, and those that nobody decided become stops."""
    housekeeping_seconds: Seconds = 60
    """How often old idempotent answers are forgotten and the server's history is looked at."""
    lease_seconds: Seconds = 1
    """How often a process that does not run the loops of all asks whether it may."""
    lease_silence_seconds: Annotated[float, Field(ge=1)] = 10
    """After how long a silence of the process that runs them another may."""
    shutdown_grace_seconds: Seconds = 15
    """How long requests in progress may take after SIGTERM."""
    shutdown_linger_seconds: Annotated[float, Field(ge=0)] = 1
    """How long a connection on which nothing is asked stays open then, for what is on its way."""

    # Logs.
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    """The least severe event that is logged."""

    @field_validator(
        "twilio_auth_tokens",
        "telnyx_public_keys",
        "mail_event_secrets",
        "mailbox_passwords",
        "delivery_schedule_seconds",
        "outward_networks_allowed",
        "mail_trusted_hosts",
        "mail_complaint_domains",
        "dns_servers",
        "trusted_proxies",
        mode="before",
    )
    @classmethod
    def _commas(cls, value: Any) -> Any:
        return (
            [one.strip() for one in value.split(",") if one.strip()]
            if isinstance(value, str)
            else value
        )

    @field_validator("public_url")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// or http://")
        return value.rstrip("/")

    @field_validator("twilio_api_url", "twilio_consents_url")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        url = URL(value)
        if url.scheme == "https" or (url.scheme == "http" and url.host in _THIS_MACHINE):
            return value
        raise ValueError("must begin with https://; http:// only on this machine")

    @field_validator("dns_servers")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            host, port = place_of(one)
            try:
                ip_address(host)
            except ValueError:
                raise ValueError(
                    "name servers are addresses, as in 192.0.2.1 or [2001:db8::1]:53"
                ) from None
            if not 0 < port <= _PORT_MAX:
                raise ValueError("a port is between 1 and 65535")
        return value

    @model_validator(mode="after")
    def _knows_whom_it_trusts(self) -> Self:
        if self.mail_authentication == "header" and not self.mail_trusted_hosts:
            raise ValueError("mail_authentication=header needs mail_trusted_hosts")
        return self

    @model_validator(mode="after")
    def _remembers_as_long_as_it_believes(self) -> Self:
        # A signature is recognised as used for as long as answers are kept.
        if self.mail_event_age_hours_max >= self.idempotency_hours:
            raise ValueError("mail_event_age_hours_max must be less than idempotency_hours")
        return self

    @model_validator(mode="after")
    def _spools_before_it_gives_up(self) -> Self:
        if self.spool_after_seconds >= self.webhook_timeout_seconds:
            raise ValueError("spool_after_seconds must be less than webhook_timeout_seconds")
        return self

    @model_validator(mode="after")
    def _leaves_connections_to_opt_outs(self) -> Self:
        others = (
            self.pool_lists_max + self.pool_streams_max + self.pool_loops_max + self.pool_rest_max
        )
        if others >= self.pool_size:
            raise ValueError(
                "pool_size must be more than pool_lists_max, pool_streams_max, pool_loops_max and "
                "pool_rest_max together: the rest is what opt-outs always have"
            )
        return self

    @property
    def origin(self) -> str:
        """Return the public URL without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Say whether only this machine can call."""
        return self.host in _THIS_MACHINE

    @property
    def connections_per_process(self) -> int:
        """Return how many connections to the database a process may have, at the most.

        Beside its pool these are the lease, and one that asks whether the database answers.
        """
        return self.pool_size + 2

    @property
    def idempotency_age(self) -> timedelta:
        """Return for how long an idempotent answer is kept."""
        return timedelta(hours=self.idempotency_hours)

    @property
    def mail_event_age(self) -> timedelta:
        """Return for how long the signature of a mail provider is believed."""
        return timedelta(hours=self.mail_event_age_hours_max)

    @property
    def mail_flood_window(self) -> timedelta:
        """Return within which time removals are counted together."""
        return timedelta(minutes=self.mail_flood_minutes)

    @property
    def review_age(self) -> timedelta:
        """Return for how long a doubtful reply waits for a decision."""
        return timedelta(days=self.review_days_max)

    @property
    def text_order(self) -> timedelta:
        """Return for how long texts may arrive in another order than they were sent in."""
        return timedelta(seconds=self.text_order_seconds)

    @property
    def delivery_claim(self) -> timedelta:
        """Return how long a process has a delivery in hand: an attempt and the time to note it."""
        return timedelta(seconds=self.delivery_timeout_seconds + 5)

    @property
    def twilio_claim(self) -> timedelta:
        """Return how long a process has what a request tells in hand."""
        return timedelta(seconds=self.twilio_timeout_seconds + 15)

    @property
    def has_mail_server(self) -> bool:
        """Say whether mail can go out at all; receipts come from their brand's own address."""
        return bool(self.smtp_host)

    @property
    def receipt_every(self) -> timedelta:
        """Return how long after one receipt an address gets no other."""
        return timedelta(days=self.receipt_every_days)

    @property
    def receipt_undo(self) -> timedelta:
        """Return how long the undo that a receipt links to is offered."""
        return timedelta(days=self.receipt_undo_days)

    @property
    def sends_mail(self) -> bool:
        """Say whether alarms can go out by mail."""
        return bool(self.smtp_host and self.mail_from)

    @property
    def spool_folder(self) -> Path:
        """Return where the spool is."""
        return self.spool_dir or self.data_dir / "spool"

    @property
    def secrets_folder(self) -> Path:
        """Return where secrets are read from."""
        return self.secrets_dir or self.data_dir / "secrets"
