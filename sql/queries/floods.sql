-- name: count_origins :execute
-- Add what one process has counted to what all have.
insert into mail_origin (brand_id, origin, minute, mail_count)
values :each(brand_id::int, origin::text, minute::timestamptz, mail_count::int)
on conflict (brand_id, origin, minute)
do update set mail_count = mail_origin.mail_count + excluded.mail_count

-- name: forget_origins :execute
-- Forget what came before the time in which floods are looked for.
delete from mail_origin
where minute < :before

-- name: busy_origins :many
-- Read from where so many removals have come since, and what is told of already.
select coalesce(o.brand_id, f.brand_id) as brand_id, coalesce(o.origin, f.origin) as origin,
    coalesce(o.mail_count, 0) as mail_count, f.spell_id as "spell_id?"
from (
    select brand_id, origin, sum(mail_count)::int as mail_count
    from mail_origin
    where minute >= :since
    group by brand_id, origin
    having sum(mail_count) >= :at_least
) as o
full join mail_flood as f on f.brand_id = o.brand_id and f.origin = o.origin
order by 1, 2

-- name: begin_flood :maybe
-- Begin a flood; nothing where another process has begun it.
insert into mail_flood (brand_id, origin, spell_id, began_at)
values (:brand_id, :origin, :spell_id, :began_at)
on conflict (brand_id, origin) do nothing
returning spell_id

-- name: end_flood :execute
-- End a flood.
delete from mail_flood
where brand_id = :brand_id and origin = :origin and spell_id = :spell_id

-- name: raise_flood :execute
-- Raise the alarm of a flood, which is about no sender.
insert into alarm (alarm_id, brand_id, sender_id, spell_id, step, raised_at, details)
values (:alarm_id, :brand_id, null, :spell_id, 'mail_flood', :raised_at, :details)
