-- name: feed_changes :many
-- Read the changes of suppressions of one channel at these positions of a brand, in any order.
select e.bucket, e.position, e.event_id, e.effect, e.scope, e.topic, e.reason, e.received_at,
    e.deadline_at as "deadline_at?", e.address_key, a.canonical as "canonical?",
    a.sealed_sha256 as "sealed_sha256?"
from (values :each(bucket::smallint, position::bigint)) as sought (bucket, position)
join preference_event as e on e.bucket = sought.bucket and e.position = sought.position
left join address as a on a.bucket = e.bucket and a.address_key = e.address_key
where e.brand_id = :brand_id and e.channel = :channel and e.effect <> 'none'

-- name: sealed_suppressions :many
-- Read the active suppressions of erased addresses, whose SHA-256 is sealed, of one bucket; and of
-- addresses whose row is gone, which is a fault and must not pass for a shorter list.
select s.address_key, a.sealed_sha256 as "sealed_sha256?", s.scope, s.topic, s.reason, s.said_at, s.deadline_at
from suppression as s
left join address as a on a.bucket = s.bucket and a.address_key = s.address_key
where s.bucket = :bucket and s.brand_id = :brand_id and s.channel = :channel and s.active
    and a.canonical is null
order by s.address_key, s.scope, s.topic, s.reason
