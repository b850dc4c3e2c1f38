-- name: take_turn :count
-- Note that an address has a receipt now, unless it has had one since a moment: of many at once, one
-- gets the turn.
insert into receipt (bucket, address_key, brand_id, event_id, queued_at)
values (:bucket, :address_key, :brand_id, :event_id, :now)
on conflict (bucket, address_key) do update set
    brand_id = excluded.brand_id, event_id = excluded.event_id, queued_at = excluded.queued_at
where receipt.queued_at <= :since::timestamptz

-- name: begin_receipts :execute
-- Begin to send a brand's receipts; its endpoint for them stays where there is one.
insert into endpoint (
    endpoint_id, brand_id, kind, target, events, with_addresses, created_at
)
values (:endpoint_id, :brand_id, 'receipt', '', array['receipt'], false, :now)
on conflict (brand_id) where kind = 'receipt' do nothing

-- name: receipts_endpoint :maybe
-- Read where a brand's receipts go out.
select endpoint_id, brand_id, sender_id as "sender_id?", kind, target, events, with_addresses,
    sealed_secret as "sealed_secret?", previous_sealed_secret as "previous_sealed_secret?",
    previous_until as "previous_until?", feed_epoch as "feed_epoch?", positions as "positions?",
    created_at, disabled_at as "disabled_at?", disabled_why as "disabled_why?"
from endpoint
where brand_id = :brand_id and kind = 'receipt'

-- name: told_by_receipt :maybe
-- Read what a receipt is to tell now: nothing if what was stopped goes on again, or if the address
-- was erased.
select e.address_key, e.channel, e.scope, e.topic, e.received_at, s.event_id as standing_id,
    s.deadline_at as "deadline_at?", a.canonical as canonical
from preference_event as e
join suppression as s on s.bucket = e.bucket and s.brand_id = e.brand_id
    and s.address_key = e.address_key and s.channel = e.channel and s.scope = e.scope
    and s.topic = e.topic and s.reason = e.reason
join address as a on a.bucket = e.bucket and a.address_key = e.address_key
where e.bucket = :bucket and e.event_id = :event_id and e.brand_id = :brand_id
    and s.active and a.canonical is not null

-- name: forget_receipts :count
-- Forget when addresses had a receipt that holds nobody up any more.
-- lint: all buckets, one sweep a round in place of 64 transactions
delete from receipt
where queued_at <= :before
