-- name: brand_watches :many
-- Read which steps of their clocks a brand's senders were alarmed for.
select w.sender_id, w.spell_id as "spell_id?", w.steps, w.feed_epoch as "feed_epoch?"
from sender as s
join sender_watch as w on w.sender_id = s.sender_id
where s.brand_id = :brand_id

-- name: begin_watch :execute
-- Begin to watch a sender, unless it is watched already.
insert into sender_watch (sender_id, spell_id, steps)
values (:sender_id, null, '{}')
on conflict (sender_id) do nothing

-- name: lock_watch :maybe
-- Lock what is known of a sender's spell; nothing while another process has it in hand.
select spell_id as "spell_id?", steps, feed_epoch as "feed_epoch?"
from sender_watch
where sender_id = :sender_id
for update skip locked

-- name: last_raised :one
-- Say when the last alarm of a spell was raised; null where none was.
select max(raised_at) as "raised_at?"
from alarm
where sender_id = :sender_id and spell_id = :spell_id

-- name: set_watch :count
-- Note which steps were alarmed for in a sender's spell; none, and no spell, after its recovery.
update sender_watch
set spell_id = :spell_id?, steps = :steps, feed_epoch = :feed_epoch
where sender_id = :sender_id

-- name: raise_alarm :maybe
-- Raise an alarm; nothing where this step of the spell was raised before.
insert into alarm (alarm_id, brand_id, sender_id, spell_id, step, raised_at, details)
values (:alarm_id, :brand_id, :sender_id, :spell_id, :step, :raised_at, :details)
on conflict (sender_id, spell_id, step) do nothing
returning alarm_id

-- name: alarms_after :many
-- Read a brand's alarms, the newest first, on from one that was read; of one sender where it is named.
select alarm_id, raised_at, details
from alarm
where brand_id = :brand_id
    and (:sender_id?::uuid is null or sender_id = :sender_id?)
    and (:raised_at?::timestamptz is null or (raised_at, alarm_id) < (:raised_at?, :alarm_id?::uuid))
order by raised_at desc, alarm_id desc
limit :size

-- name: open_cases :many
-- Count the open cases of each brand by kind.
select b.slug as brand, c.kind, count(*) as case_count
from honour_case as c
join sender as s on s.sender_id = c.sender_id
join brand as b on b.brand_id = s.brand_id
where c.resolved_at is null
group by b.slug, c.kind

-- name: alarm_raised_at :maybe
-- Say when a brand's alarm was raised.
select raised_at
from alarm
where brand_id = :brand_id and alarm_id = :alarm_id

-- name: deadline_at_position :one
-- Read the deadline of the opt-out at a position, with its reasoning.
select sent_at as "sent_at?", received_at, recorded_at, deadline_at, deadline
from preference_event
where bucket = :bucket and brand_id = :brand_id and position = :position
