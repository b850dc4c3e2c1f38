-- name: add_endpoint :execute
-- Add an endpoint.
insert into endpoint (
    endpoint_id, brand_id, sender_id, kind, target, events, with_addresses, sealed_secret, feed_epoch,
    positions, created_at
)
values (
    :endpoint_id, :brand_id, :sender_id?, :kind, :target, :events, :with_addresses, :sealed_secret?,
    :feed_epoch?, :positions?, :created_at
)

-- name: endpoint_counts :one
-- Count a brand's endpoints, and those that belong to this sender.
select count(*) as brand_count, count(*) filter (where sender_id = :sender_id?::uuid) as sender_count
from endpoint
where brand_id = :brand_id and kind <> 'receipt'

-- name: brand_endpoints :many
-- Read a brand's endpoints, or those of one of its senders; receipts have no one place to go to.
select endpoint_id, brand_id, sender_id as "sender_id?", kind, target, events, with_addresses,
    sealed_secret as "sealed_secret?", previous_sealed_secret as "previous_sealed_secret?",
    previous_until as "previous_until?", feed_epoch as "feed_epoch?", positions as "positions?",
    created_at, disabled_at as "disabled_at?", disabled_why as "disabled_why?"
from endpoint
where brand_id = :brand_id and (:sender_id?::uuid is null or sender_id = :sender_id?)
    and kind <> 'receipt'
order by created_at, endpoint_id

-- name: endpoint :maybe
-- Read an endpoint of a brand.
select endpoint_id, brand_id, sender_id as "sender_id?", kind, target, events, with_addresses,
    sealed_secret as "sealed_secret?", previous_sealed_secret as "previous_sealed_secret?",
    previous_until as "previous_until?", feed_epoch as "feed_epoch?", positions as "positions?",
    created_at, disabled_at as "disabled_at?", disabled_why as "disabled_why?"
from endpoint
where brand_id = :brand_id and endpoint_id = :endpoint_id and kind <> 'receipt'

-- name: listening_endpoints :many
-- Read a brand's endpoints that want this kind of event, from every sender or from this one.
select endpoint_id, brand_id, sender_id as "sender_id?", kind, target, events, with_addresses,
    sealed_secret as "sealed_secret?", previous_sealed_secret as "previous_sealed_secret?",
    previous_until as "previous_until?", feed_epoch as "feed_epoch?", positions as "positions?",
    created_at, disabled_at as "disabled_at?", disabled_why as "disabled_why?"
from endpoint
where brand_id = :brand_id and :kind::text = any(events) and disabled_at is null
    and (sender_id is null or :sender_id?::uuid is null or sender_id = :sender_id?)
order by created_at, endpoint_id

-- name: due_endpoints :many
-- Read the endpoints for which something is due that no process has in hand.
select e.endpoint_id, e.brand_id, e.sender_id as "sender_id?", e.kind, e.target, e.events,
    e.with_addresses, e.sealed_secret as "sealed_secret?",
    e.previous_sealed_secret as "previous_sealed_secret?", e.previous_until as "previous_until?",
    e.feed_epoch as "feed_epoch?", e.positions as "positions?", e.created_at,
    e.disabled_at as "disabled_at?", e.disabled_why as "disabled_why?"
from endpoint as e
where exists (
    select 1
    from delivery as d
    where d.endpoint_id = e.endpoint_id and d.state = 'pending' and d.next_attempt_at <= :now
        and (d.claimed_until is null or d.claimed_until <= :now)
)

-- name: rotate_endpoint :count
-- Give an endpoint another secret; the one before it signs, too, until it runs out.
update endpoint
set sealed_secret = :sealed_secret, previous_sealed_secret = sealed_secret,
    previous_until = :previous_until
where endpoint_id = :endpoint_id and kind = 'webhook'

-- name: disable_endpoint :count
-- Disable an endpoint, unless that has happened; its row is locked in either case.
update endpoint
set disabled_at = coalesce(disabled_at, :now), disabled_why = coalesce(disabled_why, :why)
where endpoint_id = :endpoint_id

-- name: lock_disabled :maybe
-- Lock an endpoint that is disabled, and say why it is.
select disabled_why
from endpoint
where endpoint_id = :endpoint_id and disabled_at is not null
for no key update

-- name: disable_endpoints_of :count
-- Disable every endpoint of a sender.
update endpoint
set disabled_at = :now, disabled_why = :why
where sender_id = :sender_id and disabled_at is null

-- name: enable_endpoint :count
-- Enable an endpoint again.
update endpoint
set disabled_at = null, disabled_why = null
where endpoint_id = :endpoint_id

-- name: remove_endpoint :count
-- Remove an endpoint with all its deliveries.
delete from endpoint
where endpoint_id = :endpoint_id
