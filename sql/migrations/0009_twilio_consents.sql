-- Telling Twilio of opt-outs that it has not heard. The ledger is what waits; only a bounded piece of it stands here.

-- A Twilio account that is told: when the next request may go out, and how the last ones went.
create table prefsvc.twilio_account (
    account         text not null,
    -- All processes together keep to the account's pace by this row.
    next_request_at timestamptz not null,
    failure_count   integer not null,
    failing_since   timestamptz,
    failing_how     text,
    answered_at     timestamptz,
    constraint twilio_account_pkey primary key (account),
    constraint twilio_account_fails_somehow
        check ((failing_since is null) = (failing_how is null) and (failing_since is null) = (failure_count = 0))
);
select prefsvc.distribute('twilio_account', 'local', '', '');

-- A messaging service or number of a brand, and how far in the feed its two lanes have come.
create table prefsvc.twilio_target (
    brand_id   integer not null,
    target     text not null,
    feed_epoch uuid not null,
    -- How far the feed had come when the target was first seen: what lies before is backfill.
    origin     bigint[] not null,
    fresh      bigint[] not null,
    backfill   bigint[] not null,
    constraint twilio_target_pkey primary key (brand_id, target),
    constraint twilio_target_covers_every_bucket check (
        array_length(origin, 1) = 64 and array_length(fresh, 1) = 64 and array_length(backfill, 1) = 64
    )
);
select prefsvc.distribute('twilio_target', 'local', '', '');

-- That something must be told about an address at a target. What, is read when it is told.
create table prefsvc.twilio_consent (
    brand_id        integer not null,
    target          text not null,
    address_key     bytea not null,
    is_fresh        boolean not null,
    -- Another one whenever there is something new to tell; Twilio gives it back with the result.
    correlation_id  uuid not null,
    deadline_at     timestamptz,
    created_at      timestamptz not null,
    state           text not null,
    attempt_count   smallint not null,
    next_attempt_at timestamptz not null,
    -- A request that it was in was refused whole: by itself it shows whether it was the cause.
    is_alone        boolean not null,
    -- Which request it is in, and until when one process has that in hand.
    claim_id        uuid,
    claimed_until   timestamptz,
    -- What Twilio said of it last: a code, never a text.
    error           text,
    constraint twilio_consent_pkey primary key (brand_id, target, address_key),
    constraint twilio_consent_state_is_known check (state in ('pending', 'failed')),
    constraint twilio_consent_is_claimed_for_a_time check ((claim_id is null) = (claimed_until is null)),
    constraint twilio_consent_failed_for_a_reason check (state = 'pending' or error is not null)
);
select prefsvc.distribute('twilio_consent', 'local', '', '');
create unique index twilio_consent_is_correlated_once on prefsvc.twilio_consent (correlation_id);
create index twilio_consent_in_order on prefsvc.twilio_consent (is_fresh desc, deadline_at, correlation_id)
    where state = 'pending';
create index twilio_consent_of_a_lane on prefsvc.twilio_consent (brand_id, is_fresh) where state = 'pending';
create index twilio_consent_claimed on prefsvc.twilio_consent (claim_id) where claim_id is not null;
create index twilio_consent_failed on prefsvc.twilio_consent (brand_id, target) where state = 'failed';
