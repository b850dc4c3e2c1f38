-- name: claimed_opt_outs :many
-- Read opt-outs of one brand and bucket that mail which nobody vouches for has put, in their order.
-- An event's id begins with its moment, so a time is two ids, and the index finds these rows.
select e.event_id, e.address_key, e.channel, e.scope, e.topic, e.reason, p.content as "evidence?"
from preference_event as e
left join evidence as p on p.bucket = e.bucket and p.event_id = e.event_id
where e.bucket = :bucket and e.brand_id = :brand_id and e.event_id > :after
    and e.event_id < :until and e.act = 'opt_out' and e.source = any(:sources::text[])
order by e.event_id
limit :size

-- name: claims_about :many
-- Read what such mail has said about these addresses, and what was lifted, in the ledger's order.
select e.event_id, e.address_key, e.channel, e.scope, e.topic, e.reason, e.effect,
    p.content as "evidence?"
from preference_event as e
left join evidence as p on p.bucket = e.bucket and p.event_id = e.event_id
where e.bucket = :bucket and e.brand_id = :brand_id and e.address_key = any(:address_keys::bytea[])
    and (e.source = any(:sources::text[]) or e.effect = 'lifted')
order by e.position
