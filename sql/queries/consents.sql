-- name: twilio_targets :many
-- Read how far each target of a brand was told, in which history.
select target, feed_epoch, origin, fresh, backfill
from twilio_target
where brand_id = :brand_id

-- name: twilio_targets_behind :many
-- Say of each target of a brand which of its lanes is not at this place in the feed.
select target,
    (feed_epoch <> :feed_epoch or fresh <> :positions::bigint[]) as is_fresh_behind,
    (feed_epoch <> :feed_epoch or backfill <> :positions::bigint[]) as is_backfill_behind
from twilio_target
where brand_id = :brand_id

-- name: begin_twilio_target :execute
-- Begin to tell a target at a place in the feed; one that was begun already stays where it is.
insert into twilio_target (brand_id, target, feed_epoch, origin, fresh, backfill)
values (:brand_id, :target, :feed_epoch, :origin, :fresh, :backfill)
on conflict (brand_id, target) do nothing

-- name: begin_twilio_account :execute
-- Begin to keep an account's pace.
insert into twilio_account (account, next_request_at, failure_count)
values (:account, :now, 0)
on conflict (account) do nothing

-- name: lock_twilio_target :maybe
-- Lock how far a target was told; nothing while another process has it in hand.
select feed_epoch, origin, fresh, backfill
from twilio_target
where brand_id = :brand_id and target = :target
for update skip locked

-- name: set_twilio_target :count
-- Move how far a target was told.
update twilio_target
set feed_epoch = :feed_epoch, origin = :origin, fresh = :fresh, backfill = :backfill
where brand_id = :brand_id and target = :target

-- name: consent_changes :many
-- Read whose standing changed among these positions: in the fresh lane, whatever was not imported;
-- in the other, opt-outs that were imported or recorded before the target was first seen. And in the
-- fresh lane, who texted START while something stands that it does not lift: Twilio lifted its own.
select e.address_key, e.deadline_at as "deadline_at?"
from preference_event as e
where e.bucket = :bucket and e.brand_id = :brand_id
    and e.position > :after and e.position <= :upto
    and e.channel = 'sms' and e.scope in ('channel', 'brand')
    and e.reason in ('opt_out', 'complaint', 'alias')
    and case
        when :is_fresh then e.source <> 'import' and (e.effect <> 'none' or (
            e.act = 'opt_in' and e.source in ('sms_reply', 'sms_reply_unordered') and exists (
                select 1
                from suppression as s
                where s.bucket = e.bucket and s.brand_id = e.brand_id
                    and s.address_key = e.address_key and s.channel = e.channel and s.active
                    and s.scope in ('channel', 'brand')
                    and s.reason in ('opt_out', 'complaint', 'alias')
            )
        ))
        else e.effect = 'added' and (e.position <= :origin or e.source = 'import')
    end
order by e.position

-- name: put_consents :execute
-- Note that something must be told about addresses at a target. What was to be told of one already
-- is told again, though a request with it is under way; fresh stays fresh.
insert into twilio_consent (
    brand_id, target, address_key, is_fresh, correlation_id, deadline_at, created_at, state,
    attempt_count, next_attempt_at, is_alone
)
values :each(
    brand_id::int, target::text, address_key::bytea, is_fresh::boolean, correlation_id::uuid,
    deadline_at::timestamptz?, created_at::timestamptz, state::text, attempt_count::smallint,
    next_attempt_at::timestamptz, is_alone::boolean
)
on conflict (brand_id, target, address_key) do update set
    is_fresh = twilio_consent.is_fresh or excluded.is_fresh,
    correlation_id = excluded.correlation_id,
    deadline_at = least(twilio_consent.deadline_at, excluded.deadline_at),
    created_at = case
        when twilio_consent.state = 'pending' then twilio_consent.created_at
        else excluded.created_at
    end,
    state = excluded.state,
    attempt_count = excluded.attempt_count,
    next_attempt_at = excluded.next_attempt_at,
    is_alone = excluded.is_alone,
    error = null

-- name: pending_consent_count :value
-- Count what waits in a lane of a brand at these targets, up to a number. What waits at one that is
-- told no more takes no room: nobody will ever make any.
select count(*) as consent_count
from (
    select 1 as one
    from twilio_consent
    where brand_id = :brand_id and is_fresh = :is_fresh and state = 'pending'
        and target = any(:targets::text[])
    limit :at_most
) as counted

-- name: failed_consent_count :value
-- Count what failed at a target, up to a number.
select count(*) as consent_count
from (
    select 1 as one
    from twilio_consent
    where brand_id = :brand_id and target = :target and state = 'failed'
    limit :at_most
) as counted

-- name: forget_target_consents :count
-- Forget what was to be told at a target.
delete from twilio_consent
where brand_id = :brand_id and target = :target

-- name: lock_twilio_turn :maybe
-- Lock an account's pace if a request may go out now; nothing while another process has it in hand.
select account
from twilio_account
where account = :account and next_request_at <= :now
for update skip locked

-- name: take_twilio_turn :count
-- Note when the next request of an account may go out.
update twilio_account
set next_request_at = :next_request_at
where account = :account

-- name: next_consent :maybe
-- Say of what is told next at these targets whether it must be told alone.
select c.is_alone
from twilio_consent as c
join twilio_target as t on t.brand_id = c.brand_id and t.target = c.target
where c.brand_id = any(:brand_ids::int[]) and c.target = any(:targets::text[])
    and t.feed_epoch = :feed_epoch
    and c.state = 'pending' and c.next_attempt_at <= :now
    and (c.claimed_until is null or c.claimed_until <= :now)
order by c.is_fresh desc, c.deadline_at, c.correlation_id
limit 1

-- name: claim_consents :many
-- Claim what is told next at these targets and no other process has in hand, for one request.
-- lint: fewer rows, there may be less to tell than there is room for
update twilio_consent
set claim_id = :claim_id, claimed_until = :claimed_until
where correlation_id = any(array(
    select c.correlation_id
    from twilio_consent as c
    join twilio_target as t on t.brand_id = c.brand_id and t.target = c.target
    where c.brand_id = any(:brand_ids::int[]) and c.target = any(:targets::text[])
        and t.feed_epoch = :feed_epoch and c.is_alone = :is_alone
        and c.state = 'pending' and c.next_attempt_at <= :now
        and (c.claimed_until is null or c.claimed_until <= :now)
    order by c.is_fresh desc, c.deadline_at, c.correlation_id
    limit :size
    for update of c skip locked
))
returning brand_id, target, address_key, is_fresh, correlation_id, attempt_count

-- name: consent_opt_outs :many
-- Read what keeps these addresses of one brand and bucket from being texted at all, with the number;
-- and whether it is said to be another person's now.
select s.address_key, s.reason, s.said_at, e.source as "source?", a.canonical as "canonical?"
from suppression as s
left join preference_event as e on e.bucket = s.bucket and e.event_id = s.event_id
left join address as a on a.bucket = s.bucket and a.address_key = s.address_key
where s.bucket = :bucket and s.brand_id = :brand_id
    and s.address_key = any(:address_keys::bytea[])
    and s.channel = 'sms' and s.active
    and s.scope in ('channel', 'brand')
    and s.reason in ('opt_out', 'complaint', 'alias', 'reassigned')

-- name: consent_lifts :many
-- Read by which words these addresses' opt-outs from all texts were lifted, with the number.
select e.address_key, e.sent_at as "sent_at?", e.received_at, e.source,
    a.canonical as "canonical?"
from preference_event as e
left join address as a on a.bucket = e.bucket and a.address_key = e.address_key
where e.bucket = :bucket and e.brand_id = :brand_id
    and e.address_key = any(:address_keys::bytea[])
    and e.channel = 'sms' and e.effect = 'lifted'
    and e.scope in ('channel', 'brand') and e.reason in ('opt_out', 'complaint', 'alias')
order by e.position

-- name: lock_claimed_consents :many
-- Lock what a request was made of and is still ours; in order, so that nobody deadlocks.
select correlation_id
from twilio_consent
where claim_id = :claim_id
order by brand_id, target, address_key
for update

-- name: forget_consents :count
-- Forget what was told, or what there is nothing to tell of, unless there is something new to tell.
delete from twilio_consent
where correlation_id = any(:correlation_ids::uuid[])

-- name: put_off_consent :count
-- Note that something was not taken: when it is told again, or that it has failed.
update twilio_consent
set state = :state, attempt_count = attempt_count + 1, next_attempt_at = :next_attempt_at,
    error = :error
where correlation_id = :correlation_id and claim_id = :claim_id

-- name: part_consents :count
-- Have each of a request told alone from now on.
update twilio_consent
set is_alone = true
where claim_id = :claim_id

-- name: release_consents :count
-- Let go of what a request was made of.
update twilio_consent
set claim_id = null, claimed_until = null
where claim_id = :claim_id

-- name: note_twilio_answer :count
-- Note that an account's request was answered.
update twilio_account
set failure_count = 0, failing_since = null, failing_how = null, answered_at = :now
where account = :account

-- name: lock_twilio_account :one
-- Lock how an account's requests went.
select failure_count
from twilio_account
where account = :account
for update

-- name: note_twilio_failure :count
-- Note that an account's request failed, and before when none goes out.
update twilio_account
set failure_count = failure_count + 1, failing_since = coalesce(failing_since, :now),
    failing_how = :how, next_request_at = greatest(next_request_at, :next_request_at)
where account = :account

-- name: twilio_account :maybe
-- Read how an account's requests went.
select next_request_at, failing_since as "failing_since?", failing_how as "failing_how?",
    answered_at as "answered_at?"
from twilio_account
where account = :account

-- name: consent_backlog :many
-- Count what waits and what failed at each target of a brand; the deadlines are those that could
-- still be kept when the row was made.
select target,
    count(*) filter (where state = 'pending' and is_fresh) as fresh_count,
    count(*) filter (where state = 'pending' and not is_fresh) as backfill_count,
    count(*) filter (where state = 'failed') as failed_count,
    min(created_at) filter (where state = 'pending') as "oldest_at?",
    min(deadline_at) filter (
        where state = 'pending' and is_fresh and deadline_at > created_at
    ) as "fresh_deadline_at?",
    min(deadline_at) filter (
        where state = 'pending' and not is_fresh and deadline_at > created_at
    ) as "backfill_deadline_at?",
    max(next_attempt_at) filter (where state = 'pending' and is_fresh) as "fresh_put_off_until?",
    max(next_attempt_at) filter (where state = 'pending' and not is_fresh)
        as "backfill_put_off_until?"
from twilio_consent
where brand_id = :brand_id
group by target

-- name: consent_errors :many
-- Count what failed for a brand, by what Twilio said of it.
select error, count(*) as consent_count
from twilio_consent
where brand_id = :brand_id and target = any(:targets::text[]) and state = 'failed'
group by error
order by error

-- name: retry_consents :count
-- Have told again what failed for a brand, the oldest first; its schedule begins anew.
update twilio_consent
set state = 'pending', attempt_count = 0, next_attempt_at = :now, is_alone = false, error = null
where correlation_id = any(array(
    select c.correlation_id
    from twilio_consent as c
    where c.brand_id = :brand_id and c.state = 'failed'
    order by c.created_at, c.correlation_id
    limit :size
    for update skip locked
))

-- name: forget_failed_consents :count
-- Forget some of what failed long ago.
delete from twilio_consent
where state = 'failed' and correlation_id = any(array(
    select c.correlation_id
    from twilio_consent as c
    where c.state = 'failed' and c.created_at < :before
    order by c.created_at
    limit :size
    for update skip locked
))
