-- name: add_sender :maybe
-- Add a sender that has acknowledged nothing; nothing where its brand has one of that name.
insert into sender (sender_id, brand_id, slug, channel, created_at, acknowledged)
values (:sender_id, :brand_id, :slug, :channel, :created_at, :acknowledged)
on conflict (brand_id, slug) do nothing
returning sender_id

-- name: sender_by_slug :maybe
-- Read a sender by its brand and name.
select sender_id, brand_id, slug, channel, created_at, retired_at as "retired_at?", acknowledged,
    acknowledged_epoch as "acknowledged_epoch?", acknowledged_at as "acknowledged_at?"
from sender
where brand_id = :brand_id and slug = :slug

-- name: brand_senders :many
-- Read the senders of a brand.
select sender_id, brand_id, slug, channel, created_at, retired_at as "retired_at?", acknowledged,
    acknowledged_epoch as "acknowledged_epoch?", acknowledged_at as "acknowledged_at?"
from sender
where brand_id = :brand_id
order by slug

-- name: retire_sender :count
-- Retire a sender, unless that has happened: its keys stop working, and nobody waits for it.
update sender
set retired_at = :now
where sender_id = :sender_id and retired_at is null

-- name: lock_sender :maybe
-- Lock a sender's row, so that two acknowledgements cannot pass each other.
select acknowledged, acknowledged_epoch as "acknowledged_epoch?", acknowledged_at as "acknowledged_at?"
from sender
where sender_id = :sender_id
for no key update

-- name: lock_serving_sender :maybe
-- Lock the row of a sender that is not retired.
select sender_id
from sender
where sender_id = :sender_id and retired_at is null
for no key update

-- name: set_acknowledged :count
-- Move what a sender has acknowledged.
update sender
set acknowledged = :positions, acknowledged_epoch = :feed_epoch, acknowledged_at = :now
where sender_id = :sender_id

-- name: keep_acknowledgement :execute
-- Keep the acknowledgement as proof.
insert into acknowledgement (sender_id, acknowledged_at, feed_epoch, positions)
values (:sender_id, :now, :feed_epoch, :positions)
on conflict (sender_id, acknowledged_at) do nothing

-- name: add_api_key :execute
-- Add an API key.
insert into api_key (api_key_id, secret_sha256, role, brand_id, sender_id, label, created_at)
values (:api_key_id, :secret_sha256, :role, :brand_id?, :sender_id?, :label, :created_at)

-- name: api_key :maybe
-- Read a key that has not been revoked, with its sender where it has one.
select k.api_key_id, k.secret_sha256, k.role, k.brand_id as "brand_id?", s.sender_id as "sender_id?",
    s.slug as "sender_slug?", s.channel as "sender_channel?", k.label
from api_key as k
left join sender as s on s.sender_id = k.sender_id
where k.api_key_id = :api_key_id and k.revoked_at is null and s.retired_at is null

-- name: api_keys :many
-- Read every API key, without its secret.
select k.api_key_id, k.role, b.slug as "brand?", s.slug as "sender?", k.label, k.created_at,
    k.revoked_at as "revoked_at?"
from api_key as k
left join brand as b on b.brand_id = k.brand_id
left join sender as s on s.sender_id = k.sender_id
order by k.created_at, k.api_key_id

-- name: revoke_api_key :count
-- Revoke a key that still works.
update api_key
set revoked_at = :now
where api_key_id = :api_key_id and revoked_at is null
