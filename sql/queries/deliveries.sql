-- name: add_deliveries :execute
-- Put notices on their way.
insert into delivery (
    delivery_id, endpoint_id, type, occurred_at, data, state, attempt_count, created_at,
    next_attempt_at, replayed_after
)
values :each(
    delivery_id::uuid, endpoint_id::uuid, type::text, occurred_at::timestamptz, data::jsonb,
    state::text, attempt_count::smallint, created_at::timestamptz, next_attempt_at::timestamptz,
    replayed_after::smallint
)

-- name: claim_deliveries :many
-- Claim some of an endpoint's deliveries that are due and that no other process has in hand.
-- lint: fewer rows, there may be less due than there is room for
update delivery
set claimed_until = :claimed_until
where delivery_id = any(array(
    select d.delivery_id
    from delivery as d
    where d.endpoint_id = :endpoint_id and d.state = 'pending' and d.next_attempt_at <= :now
        and (d.claimed_until is null or d.claimed_until <= :now)
    order by d.next_attempt_at, d.delivery_id
    limit :size
    for update skip locked
))
returning delivery_id, type, occurred_at, data, attempt_count, replayed_after

-- name: end_attempt :maybe
-- Write down what became of a delivery that we have in hand, and say which attempt it was. Nothing
-- where another process took it over meanwhile, unless it is delivered: that ends it for all.
update delivery
set attempt_count = attempt_count + 1, state = :state, next_attempt_at = :next_attempt_at?,
    claimed_until = null, finished_at = :finished_at?, failed_why = :failed_why?
where delivery_id = :delivery_id and state = 'pending'
    and (claimed_until = :claimed_until or :state = 'delivered')
returning attempt_count

-- name: keep_attempt :execute
-- Keep an attempt in the delivery log.
insert into delivery_attempt (delivery_id, attempt, attempted_at, took_ms, status, outcome)
values (:delivery_id, :attempt, :attempted_at, :took_ms, :status?, :outcome)

-- name: fail_pending :count
-- Give up what is still on its way to an endpoint.
update delivery
set state = 'failed', next_attempt_at = null, claimed_until = null, finished_at = :now,
    failed_why = :why
where endpoint_id = :endpoint_id and state = 'pending'

-- name: deliveries_after :many
-- Read an endpoint's deliveries, the newest first, on from one that was read; of one state where it
-- is named.
select d.delivery_id, d.type, d.state, d.attempt_count, d.occurred_at, d.created_at,
    d.next_attempt_at as "next_attempt_at?", d.finished_at as "finished_at?",
    d.failed_why as "failed_why?"
from delivery as d
where d.endpoint_id = :endpoint_id
    and (:state?::text is null or d.state = :state?)
    and (:created_at?::timestamptz is null or (d.created_at, d.delivery_id) < (:created_at?, :delivery_id?::uuid))
order by d.created_at desc, d.delivery_id desc
limit :size

-- name: delivery_created_at :maybe
-- Say when a delivery to an endpoint was put on its way.
select created_at
from delivery
where endpoint_id = :endpoint_id and delivery_id = :delivery_id

-- name: attempts :many
-- Read the attempts at these deliveries, in order.
select delivery_id, attempt, attempted_at, took_ms, status as "status?", outcome
from delivery_attempt
where delivery_id = any(:delivery_ids::uuid[])
order by delivery_id, attempt

-- name: replay_delivery :count
-- Send a delivery off again, whatever became of it; its schedule begins anew.
update delivery
set state = 'pending', next_attempt_at = :now, finished_at = null, failed_why = null,
    replayed_after = attempt_count
where endpoint_id = :endpoint_id and delivery_id = :delivery_id

-- name: replay_failed :count
-- Send off again what failed to reach an endpoint since a moment, the oldest first.
update delivery
set state = 'pending', next_attempt_at = :now, finished_at = null, failed_why = null,
    replayed_after = attempt_count
where delivery_id = any(array(
    select d.delivery_id
    from delivery as d
    where d.endpoint_id = :endpoint_id and d.state = 'failed' and d.created_at >= :since
    order by d.created_at
    limit :size
))

-- name: pending_count :value
-- Count what is on its way to an endpoint, up to a number.
select count(*) as pending_count
from (
    select 1 as one
    from delivery
    where endpoint_id = :endpoint_id and state = 'pending'
    limit :at_most
) as pending

-- name: pending_backlog :one
-- Say how much is on its way, and since when the oldest is.
select count(*) as pending_count, min(created_at) as "oldest_at?"
from delivery
where state = 'pending'

-- name: failed_count :value
-- Count what failed and was not sent again, receipts apart: a person's mailbox is not ours to mend.
select count(*) as failed_count
from delivery
where state = 'failed' and type <> 'receipt'

-- name: forget_deliveries :count
-- Forget some deliveries that came to their end long ago, with their attempts.
delete from delivery
where state <> 'pending' and delivery_id = any(array(
    select d.delivery_id
    from delivery as d
    where d.state <> 'pending' and d.finished_at < :before
    order by d.finished_at
    limit :size
))
