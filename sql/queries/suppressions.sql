-- name: ensure_addresses :execute
-- Store addresses at first sight; what is known already stays as it is.
insert into address (
    bucket, address_key, channel, canonical, as_written, sealed_sha256, pepper_version, first_seen_at
)
values :each(
    bucket::smallint, address_key::bytea, channel::text, canonical::text?, as_written::text?,
    sealed_sha256::bytea?, pepper_version::smallint, first_seen_at::timestamptz
)
on conflict (bucket, address_key) do nothing

-- name: states :many
-- Read every suppression, active or lifted, of these addresses of one brand and bucket.
select address_key, channel, scope, topic, reason, active, said_at,
    deadline_at as "deadline_at?", event_id, unproven
from suppression
where bucket = :bucket and brand_id = :brand_id and address_key = any(:address_keys::bytea[])

-- name: states_of :many
-- Read every suppression, active or lifted, of these addresses of any brands and buckets.
select s.bucket, s.brand_id, s.address_key, s.channel, s.scope, s.topic, s.reason, s.active,
    s.said_at, s.deadline_at as "deadline_at?", s.event_id, s.unproven
from (values :each(bucket::smallint, brand_id::int, address_key::bytea))
    as asked (bucket, brand_id, address_key)
join suppression as s on s.bucket = asked.bucket and s.brand_id = asked.brand_id
    and s.address_key = asked.address_key

-- name: active_suppressions :many
-- Read what suppresses these addresses of one brand now, on one channel.
select s.address_key, s.scope, s.topic, s.reason, s.said_at, s.deadline_at, s.event_id
from (values :each(bucket::smallint, address_key::bytea)) as asked (bucket, address_key)
join suppression as s on s.bucket = asked.bucket and s.address_key = asked.address_key
where s.brand_id = :brand_id and s.channel = :channel and s.active

-- name: standing :maybe
-- Read what suppresses one address in one scope, for one reason; nothing if that was lifted.
select event_id, said_at
from suppression
where bucket = :bucket and brand_id = :brand_id and address_key = :address_key
    and channel = :channel and scope = :scope and topic = :topic and reason = :reason and active

-- name: set_states :execute
-- Set what follows now for these addresses, channels, scopes and reasons.
insert into suppression (
    bucket, brand_id, address_key, channel, scope, topic, reason, active, said_at, deadline_at,
    event_id, position, unproven
)
values :each(
    bucket::smallint, brand_id::int, address_key::bytea, channel::text, scope::text, topic::text,
    reason::text, active::boolean, said_at::timestamptz, deadline_at::timestamptz?, event_id::uuid,
    position::bigint, unproven::boolean
)
on conflict (bucket, brand_id, address_key, channel, scope, topic, reason) do update set
    active = excluded.active,
    said_at = excluded.said_at,
    deadline_at = excluded.deadline_at,
    event_id = excluded.event_id,
    position = excluded.position,
    unproven = excluded.unproven

-- name: state_page :many
-- Read suppressions of a brand and bucket in key order, to compare them with the ledger.
select address_key, channel, scope, topic, reason, active, said_at, deadline_at as "deadline_at?",
    event_id, position, unproven
from suppression
where bucket = :bucket and brand_id = :brand_id
    and (address_key, channel, scope, topic, reason)
        > (:address_key, :channel, :scope, :topic, :reason)
order by address_key, channel, scope, topic, reason
limit :size

-- name: address_page :many
-- Read the addresses of a bucket in key order, to verify their keys.
select address_key, channel, canonical as "canonical?", sealed_sha256 as "sealed_sha256?"
from address
where bucket = :bucket and address_key > :after
order by address_key
limit :size

-- name: known_addresses :values
-- Say which of these address keys of one bucket have an address, to verify that none was removed.
select address_key
from address
where bucket = :bucket and address_key = any(:address_keys::bytea[])

-- name: stray_states :value
-- Count suppressions of no bucket or of no brand.
-- lint: all buckets, verification reads every row once
select count(*) as stray_states
from suppression
where bucket not between 0 and 63 or brand_id <> all(:brand_ids::int[])
