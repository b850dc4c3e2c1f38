-- The register: what was said (preference_event), what follows now (suppression), who must know (sender).
-- One schema for PostgreSQL 14-18 and for Citus: `bucket` leads every key of the large tables, ids and
-- times are passed in by the program, and nothing here fires by itself (no trigger, rule or sequence).

-- Give a table its place on Citus; on plain PostgreSQL do nothing.
create function prefsvc.distribute(relation text, kind text, column_name text, colocated_with text)
returns void
language plpgsql
set search_path = pg_catalog
as $$
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

-- This installation: one row. A cursor is good only within one feed_epoch; the epoch changes when
-- history does (restore, failover), which the server's identity and timeline tell.
create table prefsvc.installation (
    only_row           boolean not null default true,
    installation_id    uuid not null,
    feed_epoch         uuid not null,
    server_history     text not null,
    bucket_count       smallint not null,
    pepper_version     smallint not null,
    -- Digests, so that a start with other secrets is refused before it splits every address in two.
    pepper_fingerprint bytea not null,
    ledger_fingerprint bytea not null,
    created_at         timestamptz not null,
    constraint installation_pkey primary key (only_row),
    constraint installation_is_one_row check (only_row),
    constraint installation_has_64_buckets check (bucket_count = 64)
);
select prefsvc.distribute('installation', 'reference', '', '');

-- Who made the promise. A brand is retired, never deleted: its old links keep working.
create table prefsvc.brand (
    brand_id   integer not null,
    slug       text not null,
    -- The brand file as it was applied, validated whole (prefsvc/brand/).
    definition jsonb not null,
    applied_at timestamptz not null,
    retired_at timestamptz,
    constraint brand_pkey primary key (brand_id),
    constraint brand_slug_is_its_own unique (slug)
);
select prefsvc.distribute('brand', 'reference', '', '');

-- A program that sends for a brand on one channel, and what it has acknowledged: a position per bucket.
create table prefsvc.sender (
    sender_id          uuid not null,
    brand_id           integer not null,
    slug               text not null,
    channel            text not null,
    created_at         timestamptz not null,
    retired_at         timestamptz,
    acknowledged       bigint[] not null,
    acknowledged_epoch uuid,
    acknowledged_at    timestamptz,
    constraint sender_pkey primary key (sender_id),
    constraint sender_slug_is_its_brands_own unique (brand_id, slug),
    constraint sender_brand_exists foreign key (brand_id) references prefsvc.brand (brand_id),
    constraint sender_channel_is_known check (channel in ('email', 'sms', 'post')),
    constraint sender_acknowledges_every_bucket check (array_length(acknowledged, 1) = 64),
    constraint sender_acknowledged_at_a_time
        check ((acknowledged_at is null) = (acknowledged_epoch is null))
);
select prefsvc.distribute('sender', 'reference', '', '');

-- Every acknowledgement ever made, so that what a sender knew on a day can be proved.
create table prefsvc.acknowledgement (
    sender_id       uuid not null,
    acknowledged_at timestamptz not null,
    feed_epoch      uuid not null,
    positions       bigint[] not null,
    constraint acknowledgement_pkey primary key (sender_id, acknowledged_at),
    constraint acknowledgement_sender_exists foreign key (sender_id) references prefsvc.sender (sender_id)
);
select prefsvc.distribute('acknowledgement', 'reference', '', '');

-- API keys; only a digest of the secret is kept. No brand means every brand (operators only).
create table prefsvc.api_key (
    api_key_id    text not null,
    secret_sha256 bytea not null,
    role          text not null,
    brand_id      integer,
    sender_id     uuid,
    label         text not null,
    created_at    timestamptz not null,
    revoked_at    timestamptz,
    constraint api_key_pkey primary key (api_key_id),
    constraint api_key_brand_exists foreign key (brand_id) references prefsvc.brand (brand_id),
    constraint api_key_sender_exists foreign key (sender_id) references prefsvc.sender (sender_id),
    constraint api_key_role_is_known check (role in ('sender', 'operator')),
    constraint api_key_of_a_sender_names_it
        check ((role = 'sender') = (sender_id is not null) and (role = 'operator' or brand_id is not null))
);
select prefsvc.distribute('api_key', 'reference', '', '');

-- The highest position given out in each brand and bucket. Its row lock is what orders writers:
-- it is taken first in every writing transaction, so positions are dense and become visible in order.
create table prefsvc.feed_head (
    bucket   smallint not null,
    brand_id integer not null,
    position bigint not null,
    constraint feed_head_pkey primary key (bucket, brand_id),
    constraint feed_head_bucket_exists check (bucket between 0 and 63),
    constraint feed_head_position_counts_up check (position >= 0)
) with (fillfactor = 50);
select prefsvc.distribute('feed_head', 'distributed', 'bucket', '');

-- Where a person is reached. Apart from everything else, so that erasing it erases nothing else:
-- the plain forms go, the SHA-256 stays, sealed under a key outside the database.
create table prefsvc.address (
    bucket         smallint not null,
    address_key    bytea not null,
    channel        text not null,
    canonical      text,
    -- Kept only where it differs from the canonical form.
    as_written     text,
    sealed_sha256  bytea,
    pepper_version smallint not null,
    first_seen_at  timestamptz not null,
    erased_at      timestamptz,
    constraint address_pkey primary key (bucket, address_key),
    constraint address_key_is_16_bytes check (octet_length(address_key) = 16),
    constraint address_channel_is_known check (channel in ('email', 'sms', 'post')),
    constraint address_can_be_matched check (canonical is not null or sealed_sha256 is not null),
    constraint address_erased_is_gone
        check (erased_at is null or (canonical is null and as_written is null))
);
select prefsvc.distribute('address', 'distributed', 'bucket', 'feed_head');

-- The ledger: what was said, in order, never updated. Rows that changed a suppression are the feed.
create table prefsvc.preference_event (
    bucket          smallint not null,
    brand_id        integer not null,
    position        bigint not null,
    -- The low six bits of the id are its bucket, so an id alone finds its row.
    event_id        uuid not null,
    address_key     bytea not null,
    channel         text not null,
    act             text not null,
    scope           text not null,
    topic           text not null,
    reason          text not null,
    effect          text not null,
    source          text not null,
    sent_at         timestamptz,
    received_at     timestamptz not null,
    recorded_at     timestamptz not null,
    -- The earliest moment by which a rule or the promise wants it honoured, and how that was counted.
    deadline_at     timestamptz,
    deadline        jsonb,
    evidence_sha256 bytea not null,
    idempotency_key text,
    -- HMAC over the row under a key outside the database: a row that prefsvc did not write has none.
    seal            bytea not null,
    constraint preference_event_pkey primary key (bucket, brand_id, position),
    constraint preference_event_position_is_dense_from_1 check (position > 0),
    constraint preference_event_channel_is_known check (channel in ('email', 'sms', 'post')),
    constraint preference_event_act_is_known
        check (act in ('opt_out', 'opt_in', 'pause', 'resume', 'erase', 'restrict', 'unrestrict')),
    constraint preference_event_scope_is_known
        check (scope in ('topic', 'channel', 'brand', 'third_party_sharing')),
    constraint preference_event_topic_only_in_topic_scope check ((scope = 'topic') = (topic <> '')),
    constraint preference_event_effect_is_known check (effect in ('added', 'lifted', 'none')),
    constraint preference_event_opt_out_has_a_deadline check (act <> 'opt_out' or deadline_at is not null)
);
select prefsvc.distribute('preference_event', 'distributed', 'bucket', 'feed_head');
create unique index preference_event_is_recorded_once
    on prefsvc.preference_event (bucket, brand_id, idempotency_key) where idempotency_key is not null;
create unique index preference_event_id_finds_it on prefsvc.preference_event (bucket, event_id);

-- What proves an act: the request as it came. Apart from the ledger, which holds its digest, so that
-- erasure can take a person's words without touching the record that they said stop.
create table prefsvc.evidence (
    bucket   smallint not null,
    event_id uuid not null,
    content  jsonb not null,
    constraint evidence_pkey primary key (bucket, event_id)
);
select prefsvc.distribute('evidence', 'distributed', 'bucket', 'feed_head');

-- What follows now. A lifted row stays, inactive, with the time of the act that lifted it: an older
-- opt-out that arrives late must not undo a newer choice, nor an older opt-in a newer opt-out.
create table prefsvc.suppression (
    bucket      smallint not null,
    brand_id    integer not null,
    address_key bytea not null,
    scope       text not null,
    topic       text not null,
    reason      text not null,
    channel     text not null,
    active      boolean not null,
    said_at     timestamptz not null,
    deadline_at timestamptz,
    event_id    uuid not null,
    position    bigint not null,
    constraint suppression_pkey primary key (bucket, brand_id, address_key, scope, topic, reason),
    constraint suppression_has_a_deadline check (not active or deadline_at is not null)
);
select prefsvc.distribute('suppression', 'distributed', 'bucket', 'feed_head');

-- Signed running digests of the ledger, at a position of each brand and bucket.
create table prefsvc.ledger_checkpoint (
    bucket    smallint not null,
    brand_id  integer not null,
    position  bigint not null,
    digest    bytea not null,
    made_at   timestamptz not null,
    signature bytea not null,
    constraint ledger_checkpoint_pkey primary key (bucket, brand_id, position)
);
select prefsvc.distribute('ledger_checkpoint', 'distributed', 'bucket', 'feed_head');

-- What a short link stands for. One row per address and topic, however many messages carry it.
create table prefsvc.short_link (
    bucket      smallint not null,
    link_id     bytea not null,
    brand_id    integer not null,
    address_key bytea not null,
    channel     text not null,
    topic       text,
    mailshot    text,
    language    text,
    created_at  timestamptz not null,
    constraint short_link_pkey primary key (bucket, link_id),
    constraint short_link_id_is_8_bytes check (octet_length(link_id) = 8)
);
select prefsvc.distribute('short_link', 'distributed', 'bucket', 'feed_head');

-- Answers given under an Idempotency-Key, kept for a while and given again to a retry.
-- `bucket` is the key's own, by its digest: a request may concern many addresses.
create table prefsvc.idempotent_answer (
    bucket          smallint not null,
    owner           text not null,
    idempotency_key text not null,
    request_sha256  bytea not null,
    status          smallint not null,
    answer          jsonb not null,
    created_at      timestamptz not null,
    constraint idempotent_answer_pkey primary key (bucket, owner, idempotency_key)
);
select prefsvc.distribute('idempotent_answer', 'distributed', 'bucket', 'feed_head');
