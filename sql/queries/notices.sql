-- name: brands_told :many
-- Read the brands of which some endpoint wants to be told every change.
select distinct brand_id
from endpoint
where disabled_at is null and 'suppression' = any(events)
order by brand_id

-- name: lock_told :maybe
-- Lock how far an endpoint was told of changes, and say whose it is; nothing while another process
-- writes its notices, while it is disabled, or where its sender is retired.
select s.slug as "sender?", s.channel as "channel?"
from endpoint as e
left join sender as s on s.sender_id = e.sender_id
where e.endpoint_id = :endpoint_id and e.disabled_at is null and s.retired_at is null
for update of e skip locked

-- name: set_told :count
-- Move how far an endpoint was told of changes.
update endpoint
set feed_epoch = :feed_epoch, positions = :positions
where endpoint_id = :endpoint_id

-- name: changed_positions :many
-- Read which of these positions of a brand and bucket hold a change, and of which channel.
select position, channel
from preference_event
where bucket = :bucket and brand_id = :brand_id and position > :after and position <= :upto
    and effect <> 'none'
order by position

-- name: told_of :maybe
-- Read what a sender has acknowledged, and how far it was last told in a history.
select s.channel, s.acknowledged, s.acknowledged_epoch as "acknowledged_epoch?", (
    select h.positions
    from handover as h
    where h.sender_id = s.sender_id and h.feed_epoch = :feed_epoch
    order by h.minute desc
    limit 1
) as "handed?"
from sender as s
where s.sender_id = :sender_id
