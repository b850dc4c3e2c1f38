-- name: open_case :one
-- Open a case, or add to the one that is open; the case's row is locked until the end.
insert into honour_case (case_id, sender_id, kind, mailing, opened_at, evidence, violation_count)
values (:case_id, :sender_id, :kind, :mailing, :opened_at, :evidence, :violation_count)
on conflict (sender_id, kind, mailing) where resolved_at is null do update set
    violation_count = honour_case.violation_count + excluded.violation_count
returning case_id, violation_count

-- name: case_recovered :maybe
-- Note that an overdue sender has caught up, in its open case.
update honour_case
set recovered_at = :now
where sender_id = :sender_id and kind = 'overdue' and resolved_at is null and recovered_at is null
returning case_id

-- name: case_relapsed :count
-- Note that the sender of an open case is overdue again.
update honour_case
set recovered_at = null
where case_id = :case_id and recovered_at is not null

-- name: resolve_case :count
-- Resolve a case that is open.
update honour_case
set resolved_at = :now, cause = :cause, resolved_by = :resolved_by
where case_id = :case_id and resolved_at is null

-- name: case_page :many
-- Read a brand's cases, newest first, from one on.
select c.case_id, s.slug as sender, c.kind, c.mailing, c.opened_at, c.evidence, c.violation_count,
    c.recovered_at as "recovered_at?", c.resolved_at as "resolved_at?", c.cause as "cause?",
    c.resolved_by as "resolved_by?"
from honour_case as c
join sender as s on s.sender_id = c.sender_id
where s.brand_id = :brand_id
    and (:sender_id?::uuid is null or c.sender_id = :sender_id)
    and (:is_open?::boolean is null or (c.resolved_at is null) = :is_open)
    and (:before?::timestamptz is null or (c.opened_at, c.case_id) < (:before, :before_id?::uuid))
order by c.opened_at desc, c.case_id desc
limit :size

-- name: case_by_id :maybe
-- Read a case of a brand.
select c.case_id, s.slug as sender, c.kind, c.mailing, c.opened_at, c.evidence, c.violation_count,
    c.recovered_at as "recovered_at?", c.resolved_at as "resolved_at?", c.cause as "cause?",
    c.resolved_by as "resolved_by?"
from honour_case as c
join sender as s on s.sender_id = c.sender_id
where c.case_id = :case_id and s.brand_id = :brand_id

-- name: keep_note :execute
-- Keep what was noted about a case.
insert into case_note (case_id, note_id, noted_at, noted_by, note)
values (:case_id, :note_id, :noted_at, :noted_by, :note)

-- name: case_notes :many
-- Read what was noted about a case, the newest first.
select note_id, noted_at, noted_by, note
from case_note
where case_id = :case_id
order by noted_at desc, note_id desc
limit :size

-- name: case_note_count :value
-- Count what was noted about a case.
select count(*)
from case_note
where case_id = :case_id

-- name: case_violations :many
-- Read violations of a case in the order they were sent, each with its opt-out as the ledger has it.
-- lint: all buckets, a case's violations are to addresses of any bucket
select v.violation_id, v.report_id, v.sent_at, v.topic as "topic?", v.message_class,
    v.mailing as "mailing?", v.deadline_at, v.acknowledged_at as "acknowledged_at?", v.had_heard,
    v.list_had_it as "list_had_it?", v.found_at, v.opt_out_id, e.scope, e.topic as opt_out_topic,
    e.reason, e.source, e.sent_at as "opt_out_sent_at?", e.received_at, e.recorded_at, e.deadline,
    a.canonical as "address?"
from violation as v
join preference_event as e on e.bucket = v.bucket and e.event_id = v.opt_out_id
left join address as a on a.bucket = v.bucket and a.address_key = v.address_key
where v.case_id = :case_id
    and (:after?::timestamptz is null or (v.sent_at, v.violation_id) > (:after, :after_id?::uuid))
order by v.sent_at, v.violation_id
limit :size

-- name: case_violation :maybe
-- Find when a violation of a case was sent, to go on after it.
select sent_at
from violation
where bucket = :bucket and violation_id = :violation_id and case_id = :case_id
