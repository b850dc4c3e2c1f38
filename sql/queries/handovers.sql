-- name: add_handover :count
-- Note that a sender was given everything up to these positions, unless this minute has its row.
insert into handover (sender_id, feed_epoch, minute, handed_at, positions)
values (:sender_id, :feed_epoch, date_trunc('minute', :now::timestamptz), :now, :positions)
on conflict (sender_id, feed_epoch, minute) do nothing

-- name: lock_handover :one
-- Lock the row of this minute, and read how far the sender had been told.
select handed_at, positions
from handover
where sender_id = :sender_id and feed_epoch = :feed_epoch
    and minute = date_trunc('minute', :now::timestamptz)
for update

-- name: set_handover :count
-- Move how far a sender had been told at the end of this minute.
update handover
set handed_at = :handed_at, positions = :positions
where sender_id = :sender_id and feed_epoch = :feed_epoch
    and minute = date_trunc('minute', :now::timestamptz)

-- name: first_handover :value
-- Read when a sender was first given a position of a bucket, looking between two moments.
select min(handed_at) as "handed_at?"
from (
    select handed_at
    from handover
    where sender_id = :sender_id and feed_epoch = :feed_epoch
        and minute >= :since and minute <= :upto and positions[:bucket::int + 1] >= :position
    order by minute
    limit 1
) as first

-- name: last_handovers :many
-- Read when each sender of a brand was last given anything in this history.
select s.sender_id, (
    select h.handed_at
    from handover as h
    where h.sender_id = s.sender_id and h.feed_epoch = :feed_epoch
    order by h.minute desc
    limit 1
) as "handed_at?"
from sender as s
where s.brand_id = :brand_id

-- name: first_acknowledgement :value
-- Read when a sender first acknowledged a position of a bucket, looking from a moment on.
select min(acknowledged_at) as "acknowledged_at?"
from (
    select acknowledged_at
    from acknowledgement
    where sender_id = :sender_id and feed_epoch = :feed_epoch and acknowledged_at >= :since
        and positions[:bucket::int + 1] >= :position
    order by acknowledged_at
    limit 1
) as first
