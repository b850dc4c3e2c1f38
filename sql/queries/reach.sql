-- name: unreached :many
-- Read opt-outs from before WhatsApp was a channel that are to be recorded on it, with what proves
-- them and, unless erased, the address.
-- lint: all buckets, whatever is left in any of them
select e.bucket, e.brand_id, e.event_id, e.address_key, e.scope, e.topic, e.reason, e.source,
    e.sent_at as "sent_at?", e.received_at, e.deadline ->> 'country' as "country?",
    p.content as "evidence?", a.canonical as "canonical?"
from reach_backlog as b
join preference_event as e on e.bucket = b.bucket and e.event_id = b.event_id
left join evidence as p on p.bucket = e.bucket and p.event_id = e.event_id
left join address as a on a.bucket = e.bucket and a.address_key = e.address_key
order by e.bucket, e.brand_id, e.position
limit :size

-- name: forget_reached :count
-- Strike off opt-outs of one bucket that are recorded on WhatsApp now.
delete from reach_backlog
where bucket = :bucket and event_id = any(:event_ids::uuid[])
