-- name: ever_suppressed :values
-- Say which of these addresses of one brand and bucket have, or had, a suppression on a channel.
select distinct address_key
from suppression
where bucket = :bucket and brand_id = :brand_id and address_key = any(:address_keys::bytea[])
    and channel = :channel

-- name: histories :many
-- Read all that was said by these addresses of one brand and bucket on a channel.
select address_key, position, event_id, act, scope, topic, reason, source, sent_at as "sent_at?",
    received_at, deadline_at as "deadline_at?"
from preference_event
where bucket = :bucket and brand_id = :brand_id and address_key = any(:address_keys::bytea[])
    and channel = :channel and act in ('opt_out', 'opt_in')

-- name: acknowledgement_at :maybe
-- Read what a sender had acknowledged at a moment.
select acknowledged_at, feed_epoch, positions
from acknowledgement
where sender_id = :sender_id and acknowledged_at <= :at
order by acknowledged_at desc
limit 1

-- name: known_violations :many
-- Find which of these violations of one bucket are known already.
select violation_id, case_id
from violation
where bucket = :bucket and violation_id = any(:violation_ids::uuid[])

-- name: keep_violations :execute
-- Keep violations.
insert into violation (
    bucket, violation_id, case_id, report_id, brand_id, sender_id, address_key, sent_at, topic,
    message_class, mailing, opt_out_id, deadline_at, acknowledged_at, had_heard, list_had_it,
    found_at
)
values :each(
    bucket::smallint, violation_id::uuid, case_id::uuid, report_id::uuid, brand_id::int,
    sender_id::uuid, address_key::bytea, sent_at::timestamptz, topic::text?, message_class::text,
    mailing::text?, opt_out_id::uuid, deadline_at::timestamptz, acknowledged_at::timestamptz?,
    had_heard::boolean, list_had_it::boolean?, found_at::timestamptz
)

-- name: add_to_report :execute
-- Add up what one more part of a report says.
insert into send_report (
    report_id, sender_id, received_at, first_sent_at, last_sent_at, clear_count, in_flight_count,
    violation_count, exempt_count, refused_count
)
values (
    :report_id, :sender_id, :received_at, :first_sent_at?, :last_sent_at?, :clear_count,
    :in_flight_count, :violation_count, :exempt_count, :refused_count
)
on conflict (report_id) do update set
    first_sent_at = least(send_report.first_sent_at, excluded.first_sent_at),
    last_sent_at = greatest(send_report.last_sent_at, excluded.last_sent_at),
    clear_count = send_report.clear_count + excluded.clear_count,
    in_flight_count = send_report.in_flight_count + excluded.in_flight_count,
    violation_count = send_report.violation_count + excluded.violation_count,
    exempt_count = send_report.exempt_count + excluded.exempt_count,
    refused_count = send_report.refused_count + excluded.refused_count

-- name: finish_report :one
-- Note that a report was read to its end, and read its counts.
update send_report
set finished_at = :now, body_sha256 = :body_sha256
where report_id = :report_id
returning report_id, first_sent_at as "first_sent_at?", last_sent_at as "last_sent_at?",
    clear_count, in_flight_count, violation_count, exempt_count, refused_count
