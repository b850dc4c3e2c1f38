-- name: advance_heads :all
-- Lock these heads until the transaction ends and give out their next positions; a count of 0 only
-- locks. It is an upsert and not `for update`, which could not lock many buckets at once on Citus.
insert into feed_head (bucket, brand_id, position)
values :each(bucket::smallint, brand_id::int, count::bigint)
on conflict (bucket, brand_id) do update set position = feed_head.position + excluded.position
returning bucket, brand_id, position

-- name: adjust_heads :all
-- Set heads on or back that this transaction has locked: it reserved fewer positions than it needs, or
-- more. An upsert could not set one back, as its row would be checked for a count below zero.
update feed_head as h
set position = h.position + needed.count
from (values :each(bucket::smallint, brand_id::int, count::bigint)) as needed (bucket, brand_id, count)
where h.bucket = needed.bucket and h.brand_id = needed.brand_id
returning h.bucket, h.brand_id, h.position

-- name: brand_heads :many
-- Read the highest position of every bucket of a brand.
-- lint: all buckets, a cursor is made of every head of the brand
select bucket, position
from feed_head
where brand_id = :brand_id
order by bucket

-- name: all_heads :many
-- Read every head, to see which brands and buckets have rows that no checkpoint covers yet.
-- lint: all buckets, one row per brand and bucket
select bucket, brand_id, position
from feed_head
order by bucket, brand_id

-- name: append_events :execute
-- Append rows to the ledger; their positions were given out by advance_heads.
insert into preference_event (
    bucket, brand_id, position, event_id, address_key, channel, act, scope, topic, reason, effect,
    source, sent_at, received_at, recorded_at, deadline_at, deadline, evidence_sha256,
    idempotency_key, seal
)
values :each(
    bucket::smallint, brand_id::int, position::bigint, event_id::uuid, address_key::bytea,
    channel::text, act::text, scope::text, topic::text, reason::text, effect::text, source::text,
    sent_at::timestamptz?, received_at::timestamptz, recorded_at::timestamptz,
    deadline_at::timestamptz?, deadline::jsonb?, evidence_sha256::bytea, idempotency_key::text?,
    seal::bytea
)

-- name: keep_evidence :execute
-- Keep what proves the acts.
insert into evidence (bucket, event_id, content)
values :each(bucket::smallint, event_id::uuid, content::jsonb)

-- name: recorded_before :many
-- Find events of one bucket that were recorded under these idempotency keys.
select idempotency_key as idempotency_key, event_id, address_key, act, scope, topic, reason, effect,
    source, received_at, deadline_at as "deadline_at?", deadline as "deadline?"
from preference_event
where bucket = :bucket and brand_id = :brand_id and idempotency_key = any(:idempotency_keys::text[])

-- name: recorded_under :many
-- Find events of any buckets that were recorded under these idempotency keys.
select e.bucket, e.brand_id, e.idempotency_key as idempotency_key, e.event_id, e.effect, e.scope,
    e.topic, e.reason, e.received_at, e.deadline_at as "deadline_at?"
from (values :each(bucket::smallint, brand_id::int, idempotency_key::text))
    as asked (bucket, brand_id, idempotency_key)
join preference_event as e on e.bucket = asked.bucket and e.brand_id = asked.brand_id
    and e.idempotency_key = asked.idempotency_key

-- name: recorded_as :many
-- Find events of any buckets by the ids that they were given before they were recorded.
select e.bucket, e.brand_id, e.event_id, e.effect, e.scope, e.topic, e.reason, e.received_at,
    e.deadline_at as "deadline_at?"
from (values :each(bucket::smallint, event_id::uuid)) as asked (bucket, event_id)
join preference_event as e on e.bucket = asked.bucket and e.event_id = asked.event_id

-- name: keep_bases :execute
-- Keep what deadlines are counted by; another process may have kept the same.
insert into deadline_basis (basis_id, document, kept_at)
values :each(basis_id::text, document::jsonb, kept_at::timestamptz)
on conflict (basis_id) do nothing

-- name: basis :maybe
-- Read what a deadline was counted by.
select document
from deadline_basis
where basis_id = :basis_id

-- name: bases :many
-- Read all that deadlines were ever counted by, to verify that none was altered.
select basis_id, document
from deadline_basis

-- name: recent_acts :many
-- Read what was said about one address, channel, scope and reason since a moment. An event's id
-- begins with its moment, so `since` is an id, too, and the index finds these few rows.
select e.source, e.sent_at as "sent_at?", e.received_at, p.content as "evidence?"
from preference_event as e
left join evidence as p on p.bucket = e.bucket and p.event_id = e.event_id
where e.bucket = :bucket and e.brand_id = :brand_id and e.event_id >= :since
    and e.address_key = :address_key and e.channel = :channel and e.act = :act
    and e.scope = :scope and e.topic = :topic and e.reason = :reason

-- name: event :maybe
-- Read one event by its id, with its evidence and, unless erased, the address.
select e.brand_id, e.position, e.event_id, e.address_key, e.channel, e.act, e.scope, e.topic,
    e.reason, e.effect, e.source, e.sent_at as "sent_at?", e.received_at, e.recorded_at,
    e.deadline_at as "deadline_at?", e.deadline as "deadline?", p.content as "evidence?"
from preference_event as e
left join evidence as p on p.bucket = e.bucket and p.event_id = e.event_id
where e.bucket = :bucket and e.event_id = :event_id and e.brand_id = :brand_id

-- name: ledger_page :many
-- Read rows of the ledger in order, whole, for checkpoints and verification.
select position, event_id, address_key, channel, act, scope, topic, reason, effect, source,
    sent_at as "sent_at?", received_at, recorded_at, deadline_at as "deadline_at?",
    deadline as "deadline?", evidence_sha256, idempotency_key as "idempotency_key?", seal
from preference_event
where bucket = :bucket and brand_id = :brand_id and position > :after
order by position
limit :size

-- name: ledger_beyond :many
-- Read rows of the ledger beyond a position of each of these places, in order, whole, so many of each.
select e.bucket, e.brand_id, e.position, e.event_id, e.address_key, e.channel, e.act, e.scope,
    e.topic, e.reason, e.effect, e.source, e.sent_at as "sent_at?", e.received_at, e.recorded_at,
    e.deadline_at as "deadline_at?", e.deadline as "deadline?", e.evidence_sha256,
    e.idempotency_key as "idempotency_key?", e.seal
from (values :each(bucket::smallint, brand_id::int, after::bigint))
    as reached (bucket, brand_id, after)
join preference_event as e on e.bucket = reached.bucket and e.brand_id = reached.brand_id
    and e.position > reached.after and e.position <= reached.after + :size
order by e.bucket, e.brand_id, e.position

-- name: evidence_of :many
-- Read the evidence of these events of one bucket, to compare it with the ledger's digests.
select event_id, content
from evidence
where bucket = :bucket and event_id = any(:event_ids::uuid[])

-- name: last_checkpoint :maybe
-- Read the newest checkpoint of a brand and bucket.
select position, digest
from ledger_checkpoint
where bucket = :bucket and brand_id = :brand_id
order by position desc
limit 1

-- name: checkpoints :many
-- Read the checkpoints of a brand and bucket in order.
select position, digest, made_at, signature
from ledger_checkpoint
where bucket = :bucket and brand_id = :brand_id and position > :after
order by position
limit :size

-- name: keep_checkpoints :execute
-- Keep checkpoints; another process may have made the same ones.
insert into ledger_checkpoint (bucket, brand_id, position, digest, made_at, signature)
values :each(
    bucket::smallint, brand_id::int, position::bigint, digest::bytea, made_at::timestamptz,
    signature::bytea
)
on conflict (bucket, brand_id, position) do nothing

-- name: stray_events :value
-- Count ledger rows of no bucket or of no brand, which nobody else would ever read.
-- lint: all buckets, verification reads every row once
select count(*) as stray_events
from preference_event
where bucket not between 0 and 63 or brand_id <> all(:brand_ids::int[])
