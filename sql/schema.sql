-- The whole schema, by pg_dump; written by sql/schema.py from sql/migrations (whose
-- comments say why), do not edit. On Citus its tables are
--   spread by bucket:
--     address
--     evidence
--     feed_head
--     feed_tally
--     idempotent_answer
--     import_place
--     ledger_checkpoint
--     preference_event
--     reach_backlog
--     receipt
--     review
--     short_link
--     suppression
--     violation
--   on every node:
--     acknowledgement
--     api_key
--     brand
--     case_note
--     deadline_basis
--     handover
--     honour_case
--     installation
--     mailing
--     send_report
--     sender
--   on the coordinator alone:
--     alarm
--     delivery
--     delivery_attempt
--     endpoint
--     import
--     import_refusal
--     mail_flood
--     mail_origin
--     sender_watch
--     twilio_account
--     twilio_consent
--     twilio_target

CREATE SCHEMA prefsvc;

CREATE FUNCTION prefsvc.distribute(relation text, kind text, column_name text, colocated_with text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
begin
    if not exists (select 1 as found from pg_extension where extname = 'citus') or kind = 'local' then
        return;
    end if;
    if kind = 'reference' then
        execute format('select create_reference_table(%L)', 'prefsvc.' || relation);
    else
        execute format(
            'select create_distributed_table(%L, %L, colocate_with => %L, shard_count => %s)',
            'prefsvc.' || relation, column_name,
            case when colocated_with = '' then 'none' else 'prefsvc.' || colocated_with end,
            -- A table that is placed beside another has that one's shards.
            case when colocated_with = '' then '16' else 'null' end
        );
    end if;
end
$$;

CREATE TABLE prefsvc.acknowledgement (
    sender_id uuid NOT NULL,
    acknowledged_at timestamp with time zone NOT NULL,
    feed_epoch uuid NOT NULL,
    positions bigint[] NOT NULL
);

CREATE TABLE prefsvc.address (
    bucket smallint NOT NULL,
    address_key bytea NOT NULL,
    channel text NOT NULL,
    canonical text,
    as_written text,
    sealed_sha256 bytea,
    pepper_version smallint NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    erased_at timestamp with time zone,
    CONSTRAINT address_can_be_matched CHECK (((canonical IS NOT NULL) OR (sealed_sha256 IS NOT NULL))),
    CONSTRAINT address_channel_is_known CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text, 'post'::text]))),
    CONSTRAINT address_erased_is_gone CHECK (((erased_at IS NULL) OR ((canonical IS NULL) AND (as_written IS NULL)))),
    CONSTRAINT address_key_is_16_bytes CHECK ((octet_length(address_key) = 16))
);

CREATE TABLE prefsvc.alarm (
    alarm_id uuid NOT NULL,
    brand_id integer NOT NULL,
    sender_id uuid,
    spell_id uuid NOT NULL,
    step text NOT NULL,
    raised_at timestamp with time zone NOT NULL,
    details jsonb NOT NULL
);

CREATE TABLE prefsvc.api_key (
    api_key_id text NOT NULL,
    secret_sha256 bytea NOT NULL,
    role text NOT NULL,
    brand_id integer,
    sender_id uuid,
    label text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT api_key_of_a_sender_names_it CHECK ((((role = 'sender'::text) = (sender_id IS NOT NULL)) AND ((role = 'operator'::text) OR (brand_id IS NOT NULL)))),
    CONSTRAINT api_key_role_is_known CHECK ((role = ANY (ARRAY['sender'::text, 'operator'::text])))
);

CREATE TABLE prefsvc.brand (
    brand_id integer NOT NULL,
    slug text NOT NULL,
    definition jsonb NOT NULL,
    applied_at timestamp with time zone NOT NULL,
    retired_at timestamp with time zone
);

CREATE TABLE prefsvc.case_note (
    case_id uuid NOT NULL,
    note_id uuid NOT NULL,
    noted_at timestamp with time zone NOT NULL,
    noted_by text NOT NULL,
    note text NOT NULL
);

CREATE TABLE prefsvc.deadline_basis (
    basis_id text NOT NULL,
    document jsonb NOT NULL,
    kept_at timestamp with time zone NOT NULL
);

CREATE TABLE prefsvc.delivery (
    delivery_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    type text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    data jsonb NOT NULL,
    state text NOT NULL,
    attempt_count smallint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    next_attempt_at timestamp with time zone,
    claimed_until timestamp with time zone,
    finished_at timestamp with time zone,
    failed_why text,
    replayed_after smallint NOT NULL,
    CONSTRAINT delivery_failed_for_a_reason CHECK (((state = 'failed'::text) = (failed_why IS NOT NULL))),
    CONSTRAINT delivery_pending_has_a_next_attempt CHECK ((((state = 'pending'::text) = (next_attempt_at IS NOT NULL)) AND ((state = 'pending'::text) = (finished_at IS NULL)))),
    CONSTRAINT delivery_state_is_known CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text])))
);

CREATE TABLE prefsvc.delivery_attempt (
    delivery_id uuid NOT NULL,
    attempt smallint NOT NULL,
    attempted_at timestamp with time zone NOT NULL,
    took_ms integer NOT NULL,
    status smallint,
    outcome text NOT NULL
);

CREATE TABLE prefsvc.endpoint (
    endpoint_id uuid NOT NULL,
    brand_id integer NOT NULL,
    sender_id uuid,
    kind text NOT NULL,
    target text NOT NULL,
    events text[] NOT NULL,
    with_addresses boolean NOT NULL,
    sealed_secret bytea,
    previous_sealed_secret bytea,
    previous_until timestamp with time zone,
    feed_epoch uuid,
    positions bigint[],
    created_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone,
    disabled_why text,
    CONSTRAINT endpoint_covers_every_bucket CHECK ((array_length(positions, 1) = 64)),
    CONSTRAINT endpoint_disabled_for_a_reason CHECK (((disabled_at IS NULL) = (disabled_why IS NULL))),
    CONSTRAINT endpoint_kind_is_known CHECK ((kind = ANY (ARRAY['webhook'::text, 'mail'::text, 'receipt'::text]))),
    CONSTRAINT endpoint_webhook_has_a_secret CHECK (((kind = 'webhook'::text) = (sealed_secret IS NOT NULL)))
);

CREATE TABLE prefsvc.evidence (
    bucket smallint NOT NULL,
    event_id uuid NOT NULL,
    content jsonb NOT NULL
);

CREATE TABLE prefsvc.feed_head (
    bucket smallint NOT NULL,
    brand_id integer NOT NULL,
    "position" bigint NOT NULL,
    CONSTRAINT feed_head_bucket_exists CHECK (((bucket >= 0) AND (bucket <= 63))),
    CONSTRAINT feed_head_position_counts_up CHECK (("position" >= 0))
)
WITH (fillfactor='50');

CREATE TABLE prefsvc.feed_tally (
    bucket smallint NOT NULL,
    brand_id integer NOT NULL,
    channel text NOT NULL,
    block bigint NOT NULL,
    added_count integer NOT NULL,
    half_at timestamp with time zone,
    four_fifths_at timestamp with time zone,
    target_at timestamp with time zone,
    deadline_at timestamp with time zone,
    CONSTRAINT feed_tally_counts_a_block CHECK (((added_count >= 0) AND (added_count <= 256))),
    CONSTRAINT feed_tally_knows_its_earliest CHECK (((added_count = 0) = (deadline_at IS NULL)))
);

CREATE TABLE prefsvc.handover (
    sender_id uuid NOT NULL,
    feed_epoch uuid NOT NULL,
    minute timestamp with time zone NOT NULL,
    handed_at timestamp with time zone NOT NULL,
    positions bigint[] NOT NULL,
    CONSTRAINT handover_covers_every_bucket CHECK ((array_length(positions, 1) = 64))
);

CREATE TABLE prefsvc.honour_case (
    case_id uuid NOT NULL,
    sender_id uuid NOT NULL,
    kind text NOT NULL,
    mailing text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    evidence jsonb NOT NULL,
    violation_count bigint NOT NULL,
    recovered_at timestamp with time zone,
    resolved_at timestamp with time zone,
    cause text,
    resolved_by text,
    CONSTRAINT honour_case_is_resolved_by_somebody CHECK ((((resolved_at IS NULL) = (cause IS NULL)) AND ((resolved_at IS NULL) = (resolved_by IS NULL)))),
    CONSTRAINT honour_case_kind_is_known CHECK ((kind = ANY (ARRAY['overdue'::text, 'violation'::text])))
);

CREATE TABLE prefsvc.idempotent_answer (
    bucket smallint NOT NULL,
    owner text NOT NULL,
    idempotency_key text NOT NULL,
    request_sha256 bytea NOT NULL,
    status smallint NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE prefsvc.import (
    import_id uuid NOT NULL,
    brand_id integer NOT NULL,
    name text NOT NULL,
    reading jsonb NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    begun_by text NOT NULL,
    line bigint NOT NULL,
    lines_sha256 bytea NOT NULL,
    finished_at timestamp with time zone,
    refused jsonb NOT NULL,
    notes jsonb NOT NULL,
    CONSTRAINT import_lines_count_up CHECK ((line >= 0))
);

CREATE TABLE prefsvc.import_place (
    bucket smallint NOT NULL,
    import_id uuid NOT NULL,
    line bigint NOT NULL,
    counts jsonb NOT NULL
);

CREATE TABLE prefsvc.import_refusal (
    import_id uuid NOT NULL,
    line bigint NOT NULL,
    why text NOT NULL
);

CREATE TABLE prefsvc.installation (
    only_row boolean DEFAULT true NOT NULL,
    installation_id uuid NOT NULL,
    feed_epoch uuid NOT NULL,
    server_history text NOT NULL,
    bucket_count smallint NOT NULL,
    pepper_version smallint NOT NULL,
    pepper_fingerprint bytea NOT NULL,
    ledger_fingerprint bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    epoch_began_at timestamp with time zone,
    CONSTRAINT installation_has_64_buckets CHECK ((bucket_count = 64)),
    CONSTRAINT installation_is_one_row CHECK (only_row)
);

CREATE TABLE prefsvc.ledger_checkpoint (
    bucket smallint NOT NULL,
    brand_id integer NOT NULL,
    "position" bigint NOT NULL,
    digest bytea NOT NULL,
    made_at timestamp with time zone NOT NULL,
    signature bytea NOT NULL
);

CREATE TABLE prefsvc.mail_flood (
    brand_id integer NOT NULL,
    origin text NOT NULL,
    spell_id uuid NOT NULL,
    began_at timestamp with time zone NOT NULL
);

CREATE TABLE prefsvc.mail_origin (
    brand_id integer NOT NULL,
    origin text NOT NULL,
    minute timestamp with time zone NOT NULL,
    mail_count integer NOT NULL
);

CREATE TABLE prefsvc.mailing (
    sender_id uuid NOT NULL,
    name text NOT NULL,
    feed_epoch uuid NOT NULL,
    positions bigint[] NOT NULL,
    topic text,
    message_class text NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    head_positions bigint[] NOT NULL,
    CONSTRAINT mailing_class_is_known CHECK ((message_class = ANY (ARRAY['marketing'::text, 'transactional'::text, 'service'::text]))),
    CONSTRAINT mailing_covers_every_bucket CHECK (((array_length(positions, 1) = 64) AND (array_length(head_positions, 1) = 64)))
);

CREATE TABLE prefsvc.preference_event (
    bucket smallint NOT NULL,
    brand_id integer NOT NULL,
    "position" bigint NOT NULL,
    event_id uuid NOT NULL,
    address_key bytea NOT NULL,
    channel text NOT NULL,
    act text NOT NULL,
    scope text NOT NULL,
    topic text NOT NULL,
    reason text NOT NULL,
    effect text NOT NULL,
    source text NOT NULL,
    sent_at timestamp with time zone,
    received_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    deadline_at timestamp with time zone,
    deadline jsonb,
    evidence_sha256 bytea NOT NULL,
    idempotency_key text,
    seal bytea NOT NULL,
    CONSTRAINT preference_event_act_is_known CHECK ((act = ANY (ARRAY['opt_out'::text, 'opt_in'::text, 'pause'::text, 'resume'::text, 'erase'::text, 'restrict'::text, 'unrestrict'::text]))),
    CONSTRAINT preference_event_channel_is_known CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text, 'whatsapp'::text, 'post'::text]))),
    CONSTRAINT preference_event_effect_is_known CHECK ((effect = ANY (ARRAY['added'::text, 'lifted'::text, 'none'::text]))),
    CONSTRAINT preference_event_opt_out_has_a_deadline CHECK (((act <> 'opt_out'::text) OR (deadline_at IS NOT NULL))),
    CONSTRAINT preference_event_position_is_dense_from_1 CHECK (("position" > 0)),
    CONSTRAINT preference_event_scope_is_known CHECK ((scope = ANY (ARRAY['topic'::text, 'channel'::text, 'brand'::text, 'third_party_sharing'::text]))),
    CONSTRAINT preference_event_topic_only_in_topic_scope CHECK (((scope = 'topic'::text) = (topic <> ''::text)))
);

CREATE TABLE prefsvc.reach_backlog (
    bucket smallint NOT NULL,
    event_id uuid NOT NULL
);

CREATE TABLE prefsvc.receipt (
    bucket smallint NOT NULL,
    address_key bytea NOT NULL,
    brand_id integer NOT NULL,
    event_id uuid NOT NULL,
    queued_at timestamp with time zone NOT NULL
);

CREATE TABLE prefsvc.review (
    bucket smallint NOT NULL,
    review_id uuid NOT NULL,
    brand_id integer NOT NULL,
    address_key bytea NOT NULL,
    channel text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    decision jsonb NOT NULL,
    evidence jsonb NOT NULL,
    opt_out_id uuid,
    state text NOT NULL,
    decided_at timestamp with time zone,
    decided_by text,
    note text,
    CONSTRAINT review_channel_is_known CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text, 'whatsapp'::text, 'post'::text]))),
    CONSTRAINT review_is_decided_by_somebody CHECK ((((state = 'open'::text) = (decided_at IS NULL)) AND ((state = 'open'::text) = (decided_by IS NULL)))),
    CONSTRAINT review_state_is_known CHECK ((state = ANY (ARRAY['open'::text, 'stop'::text, 'dismissed'::text]))),
    CONSTRAINT review_stop_has_an_opt_out CHECK (((state <> 'stop'::text) OR (opt_out_id IS NOT NULL)))
);

CREATE TABLE prefsvc.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone NOT NULL,
    CONSTRAINT schema_migration_version_counts_from_1 CHECK ((version > 0))
);

CREATE TABLE prefsvc.send_report (
    report_id uuid NOT NULL,
    sender_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    first_sent_at timestamp with time zone,
    last_sent_at timestamp with time zone,
    clear_count bigint NOT NULL,
    in_flight_count bigint NOT NULL,
    violation_count bigint NOT NULL,
    exempt_count bigint NOT NULL,
    refused_count bigint NOT NULL,
    body_sha256 bytea
);

CREATE TABLE prefsvc.sender (
    sender_id uuid NOT NULL,
    brand_id integer NOT NULL,
    slug text NOT NULL,
    channel text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    retired_at timestamp with time zone,
    acknowledged bigint[] NOT NULL,
    acknowledged_epoch uuid,
    acknowledged_at timestamp with time zone,
    CONSTRAINT sender_acknowledged_at_a_time CHECK (((acknowledged_at IS NULL) = (acknowledged_epoch IS NULL))),
    CONSTRAINT sender_acknowledges_every_bucket CHECK ((array_length(acknowledged, 1) = 64)),
    CONSTRAINT sender_channel_is_known CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text, 'whatsapp'::text, 'post'::text])))
);

CREATE TABLE prefsvc.sender_watch (
    sender_id uuid NOT NULL,
    spell_id uuid,
    steps text[] NOT NULL,
    feed_epoch uuid
);

CREATE TABLE prefsvc.short_link (
    bucket smallint NOT NULL,
    link_id bytea NOT NULL,
    brand_id integer NOT NULL,
    address_key bytea NOT NULL,
    channel text NOT NULL,
    topic text,
    mailshot text,
    language text,
    created_at timestamp with time zone NOT NULL,
    country text,
    CONSTRAINT short_link_id_is_8_bytes CHECK ((octet_length(link_id) = 8))
);

CREATE TABLE prefsvc.suppression (
    said_at timestamp with time zone NOT NULL,
    deadline_at timestamp with time zone,
    "position" bigint NOT NULL,
    brand_id integer NOT NULL,
    bucket smallint NOT NULL,
    active boolean NOT NULL,
    unproven boolean DEFAULT false NOT NULL,
    event_id uuid NOT NULL,
    address_key bytea NOT NULL,
    channel text NOT NULL,
    scope text NOT NULL,
    topic text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT suppression_has_a_deadline CHECK (((NOT active) OR (deadline_at IS NOT NULL)))
);

CREATE TABLE prefsvc.twilio_account (
    account text NOT NULL,
    next_request_at timestamp with time zone NOT NULL,
    failure_count integer NOT NULL,
    failing_since timestamp with time zone,
    failing_how text,
    answered_at timestamp with time zone,
    CONSTRAINT twilio_account_fails_somehow CHECK ((((failing_since IS NULL) = (failing_how IS NULL)) AND ((failing_since IS NULL) = (failure_count = 0))))
);

CREATE TABLE prefsvc.twilio_consent (
    brand_id integer NOT NULL,
    target text NOT NULL,
    address_key bytea NOT NULL,
    is_fresh boolean NOT NULL,
    correlation_id uuid NOT NULL,
    deadline_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    attempt_count smallint NOT NULL,
    next_attempt_at timestamp with time zone NOT NULL,
    is_alone boolean NOT NULL,
    claim_id uuid,
    claimed_until timestamp with time zone,
    error text,
    CONSTRAINT twilio_consent_failed_for_a_reason CHECK (((state = 'pending'::text) OR (error IS NOT NULL))),
    CONSTRAINT twilio_consent_is_claimed_for_a_time CHECK (((claim_id IS NULL) = (claimed_until IS NULL))),
    CONSTRAINT twilio_consent_state_is_known CHECK ((state = ANY (ARRAY['pending'::text, 'failed'::text])))
);

CREATE TABLE prefsvc.twilio_target (
    brand_id integer NOT NULL,
    target text NOT NULL,
    feed_epoch uuid NOT NULL,
    origin bigint[] NOT NULL,
    fresh bigint[] NOT NULL,
    backfill bigint[] NOT NULL,
    CONSTRAINT twilio_target_covers_every_bucket CHECK (((array_length(origin, 1) = 64) AND (array_length(fresh, 1) = 64) AND (array_length(backfill, 1) = 64)))
);

CREATE TABLE prefsvc.violation (
    bucket smallint NOT NULL,
    violation_id uuid NOT NULL,
    case_id uuid NOT NULL,
    report_id uuid NOT NULL,
    brand_id integer NOT NULL,
    sender_id uuid NOT NULL,
    address_key bytea NOT NULL,
    sent_at timestamp with time zone NOT NULL,
    topic text,
    message_class text NOT NULL,
    mailing text,
    opt_out_id uuid NOT NULL,
    deadline_at timestamp with time zone NOT NULL,
    acknowledged_at timestamp with time zone,
    had_heard boolean NOT NULL,
    list_had_it boolean,
    found_at timestamp with time zone NOT NULL,
    CONSTRAINT violation_was_after_the_deadline CHECK ((sent_at > deadline_at))
);

ALTER TABLE ONLY prefsvc.acknowledgement
    ADD CONSTRAINT acknowledgement_pkey PRIMARY KEY (sender_id, acknowledged_at);

ALTER TABLE ONLY prefsvc.address
    ADD CONSTRAINT address_pkey PRIMARY KEY (bucket, address_key);

ALTER TABLE prefsvc.alarm
    ADD CONSTRAINT alarm_is_about_a_sender CHECK (((sender_id IS NULL) = (step = 'mail_flood'::text))) NOT VALID;

ALTER TABLE ONLY prefsvc.alarm
    ADD CONSTRAINT alarm_is_raised_once UNIQUE (sender_id, spell_id, step);

ALTER TABLE ONLY prefsvc.alarm
    ADD CONSTRAINT alarm_pkey PRIMARY KEY (alarm_id);

ALTER TABLE prefsvc.alarm
    ADD CONSTRAINT alarm_step_is_known CHECK ((step = ANY (ARRAY['half'::text, 'four_fifths'::text, 'target'::text, 'overdue'::text, 'violation'::text, 'recovery'::text, 'mail_flood'::text]))) NOT VALID;

ALTER TABLE ONLY prefsvc.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (api_key_id);

ALTER TABLE ONLY prefsvc.brand
    ADD CONSTRAINT brand_pkey PRIMARY KEY (brand_id);

ALTER TABLE ONLY prefsvc.brand
    ADD CONSTRAINT brand_slug_is_its_own UNIQUE (slug);

ALTER TABLE ONLY prefsvc.case_note
    ADD CONSTRAINT case_note_pkey PRIMARY KEY (case_id, note_id);

ALTER TABLE ONLY prefsvc.deadline_basis
    ADD CONSTRAINT deadline_basis_pkey PRIMARY KEY (basis_id);

ALTER TABLE ONLY prefsvc.delivery_attempt
    ADD CONSTRAINT delivery_attempt_pkey PRIMARY KEY (delivery_id, attempt);

ALTER TABLE ONLY prefsvc.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (delivery_id);

ALTER TABLE ONLY prefsvc.endpoint
    ADD CONSTRAINT endpoint_pkey PRIMARY KEY (endpoint_id);

ALTER TABLE ONLY prefsvc.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (bucket, event_id);

ALTER TABLE ONLY prefsvc.feed_head
    ADD CONSTRAINT feed_head_pkey PRIMARY KEY (bucket, brand_id);

ALTER TABLE ONLY prefsvc.feed_tally
    ADD CONSTRAINT feed_tally_pkey PRIMARY KEY (bucket, brand_id, block, channel);

ALTER TABLE ONLY prefsvc.handover
    ADD CONSTRAINT handover_pkey PRIMARY KEY (sender_id, feed_epoch, minute);

ALTER TABLE ONLY prefsvc.honour_case
    ADD CONSTRAINT honour_case_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY prefsvc.idempotent_answer
    ADD CONSTRAINT idempotent_answer_pkey PRIMARY KEY (bucket, owner, idempotency_key);

ALTER TABLE ONLY prefsvc.import
    ADD CONSTRAINT import_pkey PRIMARY KEY (import_id);

ALTER TABLE ONLY prefsvc.import_place
    ADD CONSTRAINT import_place_pkey PRIMARY KEY (bucket, import_id);

ALTER TABLE ONLY prefsvc.import_refusal
    ADD CONSTRAINT import_refusal_pkey PRIMARY KEY (import_id, line);

ALTER TABLE ONLY prefsvc.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY prefsvc.ledger_checkpoint
    ADD CONSTRAINT ledger_checkpoint_pkey PRIMARY KEY (bucket, brand_id, "position");

ALTER TABLE ONLY prefsvc.mail_flood
    ADD CONSTRAINT mail_flood_pkey PRIMARY KEY (brand_id, origin);

ALTER TABLE ONLY prefsvc.mail_origin
    ADD CONSTRAINT mail_origin_pkey PRIMARY KEY (brand_id, origin, minute);

ALTER TABLE ONLY prefsvc.mailing
    ADD CONSTRAINT mailing_pkey PRIMARY KEY (sender_id, name);

ALTER TABLE ONLY prefsvc.preference_event
    ADD CONSTRAINT preference_event_pkey PRIMARY KEY (bucket, brand_id, "position");

ALTER TABLE ONLY prefsvc.reach_backlog
    ADD CONSTRAINT reach_backlog_pkey PRIMARY KEY (bucket, event_id);

ALTER TABLE ONLY prefsvc.receipt
    ADD CONSTRAINT receipt_pkey PRIMARY KEY (bucket, address_key);

ALTER TABLE ONLY prefsvc.review
    ADD CONSTRAINT review_pkey PRIMARY KEY (bucket, review_id);

ALTER TABLE ONLY prefsvc.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);

ALTER TABLE ONLY prefsvc.send_report
    ADD CONSTRAINT send_report_pkey PRIMARY KEY (report_id);

ALTER TABLE ONLY prefsvc.sender
    ADD CONSTRAINT sender_pkey PRIMARY KEY (sender_id);

ALTER TABLE ONLY prefsvc.sender
    ADD CONSTRAINT sender_slug_is_its_brands_own UNIQUE (brand_id, slug);

ALTER TABLE ONLY prefsvc.sender_watch
    ADD CONSTRAINT sender_watch_pkey PRIMARY KEY (sender_id);

ALTER TABLE ONLY prefsvc.short_link
    ADD CONSTRAINT short_link_pkey PRIMARY KEY (bucket, link_id);

ALTER TABLE ONLY prefsvc.suppression
    ADD CONSTRAINT suppression_pkey PRIMARY KEY (bucket, brand_id, address_key, channel, scope, topic, reason);

ALTER TABLE ONLY prefsvc.twilio_account
    ADD CONSTRAINT twilio_account_pkey PRIMARY KEY (account);

ALTER TABLE ONLY prefsvc.twilio_consent
    ADD CONSTRAINT twilio_consent_pkey PRIMARY KEY (brand_id, target, address_key);

ALTER TABLE ONLY prefsvc.twilio_target
    ADD CONSTRAINT twilio_target_pkey PRIMARY KEY (brand_id, target);

ALTER TABLE ONLY prefsvc.violation
    ADD CONSTRAINT violation_pkey PRIMARY KEY (bucket, violation_id);

CREATE INDEX alarm_newest_first ON prefsvc.alarm USING btree (brand_id, raised_at DESC, alarm_id DESC);

CREATE INDEX delivery_due ON prefsvc.delivery USING btree (endpoint_id, next_attempt_at) WHERE (state = 'pending'::text);

CREATE INDEX delivery_failed ON prefsvc.delivery USING btree (endpoint_id, created_at) WHERE (state = 'failed'::text);

CREATE INDEX delivery_finished ON prefsvc.delivery USING btree (finished_at) WHERE (state <> 'pending'::text);

CREATE INDEX delivery_of_an_endpoint ON prefsvc.delivery USING btree (endpoint_id, created_at DESC, delivery_id DESC);

CREATE UNIQUE INDEX endpoint_of_receipts ON prefsvc.endpoint USING btree (brand_id) WHERE (kind = 'receipt'::text);

CREATE UNIQUE INDEX honour_case_is_open_once ON prefsvc.honour_case USING btree (sender_id, kind, mailing) WHERE (resolved_at IS NULL);

CREATE INDEX import_newest_first ON prefsvc.import USING btree (brand_id, begun_at DESC, import_id DESC);

CREATE INDEX mailing_newest_first ON prefsvc.mailing USING btree (sender_id, registered_at DESC);

CREATE UNIQUE INDEX preference_event_id_finds_it ON prefsvc.preference_event USING btree (bucket, event_id);

CREATE UNIQUE INDEX preference_event_is_recorded_once ON prefsvc.preference_event USING btree (bucket, brand_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX preference_event_of_an_address ON prefsvc.preference_event USING btree (bucket, brand_id, address_key);

CREATE INDEX receipt_in_order ON prefsvc.receipt USING btree (bucket, queued_at);

CREATE INDEX review_in_order ON prefsvc.review USING btree (brand_id, asked_at, review_id);

CREATE INDEX review_open ON prefsvc.review USING btree (asked_at, review_id) WHERE (state = 'open'::text);

CREATE INDEX twilio_consent_claimed ON prefsvc.twilio_consent USING btree (claim_id) WHERE (claim_id IS NOT NULL);

CREATE INDEX twilio_consent_failed ON prefsvc.twilio_consent USING btree (brand_id, target) WHERE (state = 'failed'::text);

CREATE INDEX twilio_consent_in_order ON prefsvc.twilio_consent USING btree (is_fresh DESC, deadline_at, correlation_id) WHERE (state = 'pending'::text);

CREATE UNIQUE INDEX twilio_consent_is_correlated_once ON prefsvc.twilio_consent USING btree (correlation_id);

CREATE INDEX twilio_consent_of_a_lane ON prefsvc.twilio_consent USING btree (brand_id, is_fresh) WHERE (state = 'pending'::text);

CREATE INDEX violation_of_a_case ON prefsvc.violation USING btree (case_id, sent_at, violation_id);

ALTER TABLE ONLY prefsvc.acknowledgement
    ADD CONSTRAINT acknowledgement_sender_exists FOREIGN KEY (sender_id) REFERENCES prefsvc.sender(sender_id);

ALTER TABLE ONLY prefsvc.api_key
    ADD CONSTRAINT api_key_brand_exists FOREIGN KEY (brand_id) REFERENCES prefsvc.brand(brand_id);

ALTER TABLE ONLY prefsvc.api_key
    ADD CONSTRAINT api_key_sender_exists FOREIGN KEY (sender_id) REFERENCES prefsvc.sender(sender_id);

ALTER TABLE ONLY prefsvc.case_note
    ADD CONSTRAINT case_note_case_exists FOREIGN KEY (case_id) REFERENCES prefsvc.honour_case(case_id);

ALTER TABLE ONLY prefsvc.delivery_attempt
    ADD CONSTRAINT delivery_attempt_delivery_exists FOREIGN KEY (delivery_id) REFERENCES prefsvc.delivery(delivery_id) ON DELETE CASCADE;

ALTER TABLE ONLY prefsvc.delivery
    ADD CONSTRAINT delivery_endpoint_exists FOREIGN KEY (endpoint_id) REFERENCES prefsvc.endpoint(endpoint_id) ON DELETE CASCADE;

ALTER TABLE ONLY prefsvc.handover
    ADD CONSTRAINT handover_sender_exists FOREIGN KEY (sender_id) REFERENCES prefsvc.sender(sender_id);

ALTER TABLE ONLY prefsvc.honour_case
    ADD CONSTRAINT honour_case_sender_exists FOREIGN KEY (sender_id) REFERENCES prefsvc.sender(sender_id);

ALTER TABLE ONLY prefsvc.mailing
    ADD CONSTRAINT mailing_sender_exists FOREIGN KEY (sender_id) REFERENCES prefsvc.sender(sender_id);

ALTER TABLE ONLY prefsvc.send_report
    ADD CONSTRAINT send_report_sender_exists FOREIGN KEY (sender_id) REFERENCES prefsvc.sender(sender_id);

ALTER TABLE ONLY prefsvc.sender
    ADD CONSTRAINT sender_brand_exists FOREIGN KEY (brand_id) REFERENCES prefsvc.brand(brand_id);
