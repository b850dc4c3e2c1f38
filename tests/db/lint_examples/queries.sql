-- What each rule of sql/lint_queries.py finds (its kind of query with it), and the same mended.

-- broken: style A.5, no_star, many
select * from brand
-- mended
select brand_id, count(*) as brand_count from brand group by brand_id

-- broken: style A.5, no_star, many
select b.* from brand as b
-- mended
select b.slug from brand as b

-- broken: style A.5, no_star, many
delete from brand returning *
-- mended
delete from brand returning brand_id

-- broken: rule 1, own_schema, many
select slug from public.brand
-- mended
select slug from brand

-- broken: rule 3, in_one_bucket, many
select event_id from event where event_id = :event_id
-- mended
select event_id from event where bucket = :bucket and event_id = :event_id

-- broken: rule 3, in_one_bucket, many
select event_id from event where bucket > :bucket
-- mended
select event_id from event where bucket = any(:buckets::smallint[])

-- broken: rule 3, in_one_bucket, many
select bucket = 1 as is_first from event
-- mended
select bucket = 1 as is_first from event where (bucket, event_id) in (values (1, 'a'))

-- broken: rule 3, in_one_bucket, many
select e.at from event as e join address as a on a.bucket = e.bucket where a.x = :x
-- mended
select e.at from event as e join address as a on a.bucket = e.bucket where a.bucket = :bucket

-- broken: rule 3, in_one_bucket, many
select e.at from event e left join address a on a.x = e.x where e.bucket = :bucket
-- mended
select e.at from event e left join address a on e.bucket = a.bucket where :bucket = e.bucket

-- broken: rule 3, in_one_bucket, many
select e.at from (values :each(b::smallint)) as v (b) join event as e on e.b = v.b
-- mended
select e.at from (values :each(b::smallint)) as v (b) join event as e on e.bucket = v.b

-- broken: rule 3, in_one_bucket, count
delete from event where event_id = :event_id
-- mended
delete from event where event_id = :event_id and bucket = :bucket

-- broken: rule 3, in_one_bucket, count
update event set at = :at where event_id = :event_id
-- mended
update event set at = :at where event_id = :event_id and bucket = :bucket

-- broken: rule 3, in_one_bucket, many
select event_id from event
-- mended
-- lint: all buckets, a report that is asked for once a day
select event_id from event

-- broken: excuse, excuses_give_reasons, many
-- lint: all buckets
select event_id from event
-- mended
-- lint: all buckets, once a day
select event_id from event

-- broken: excuse, excuses_give_reasons, many
-- lint: all buckets, once a day
select event_id from event where bucket = :bucket
-- mended
select event_id from event where bucket = :bucket

-- broken: excuse, excuses_give_reasons, many
-- lint: because, I say so
select slug from brand
-- mended
select slug from brand

-- broken: rule 3, bucket_is_written, execute
insert into event (event_id) values (:event_id)
-- mended
insert into event (bucket, event_id) values (:bucket, :event_id)

-- broken: rule 3, bucket_is_written, execute
insert into event (bucket, event_id) values (:bucket, :event_id)
on conflict (event_id) do nothing
-- mended
insert into event (bucket, event_id) values (:bucket, :event_id)
on conflict (bucket, event_id) do nothing

-- broken: rule 3, bucket_never_changes, count
update event set at = :at, bucket = :new where bucket = :bucket
-- mended
update event set at = :at where bucket = :bucket

-- broken: rule 3, bucket_never_changes, count
insert into event (bucket, at) values (:bucket, :at)
on conflict (bucket) do update set (at, bucket) = (:at, 1)
-- mended
insert into event (bucket, at) values (:bucket, :at)
on conflict (bucket) do update set at = case when event.bucket = 1 then excluded.at end

-- broken: rule 6, no_clock, execute
insert into brand (brand_id, at) values (1, :at) on conflict (brand_id) do update set at = now()
-- mended
insert into brand (brand_id, at) values (1, :at)
on conflict (brand_id) do update set at = excluded.at

-- broken: rule 6, no_clock, many
select slug from brand where at < current_timestamp
-- mended
select slug from brand where at < :now

-- broken: rule 6, no_clock, one
select gen_random_uuid() as id
-- mended
select :id::uuid as id

-- broken: rule 7, citus_can_run_it, many
select slug from brand join unnest(:ids::int[]) as u (id) on u.id = brand_id
-- mended
select slug from brand where brand_id = any(:ids::int[])

-- broken: rule 7, citus_can_run_it, many
select slug from brand cross join lateral (select 1 as one) as l
-- mended
select slug from brand cross join (select 1 as one) as l

-- broken: rule 7, citus_can_run_it, execute
merge into brand using brand as b on true when matched then do nothing
-- mended
insert into brand (brand_id) values (1) on conflict (brand_id) do nothing

-- broken: rule 7, citus_can_run_it, one
select exists (select from brand) as found
-- mended
select exists (select 1 from brand) as found

-- broken: rule 7, values_hold_no_query, execute
insert into brand as b (brand_id, at) values (1, :at)
on conflict (brand_id) do update set at = (select max(n.at) from note as n)
-- mended
insert into brand as b (brand_id, at) values (1, :at)
on conflict (brand_id) do update set at = greatest(b.at, excluded.at)

-- broken: rule 7, values_hold_no_query, execute
insert into brand (brand_id) values ((select max(note_id) from note))
-- mended
with added as (insert into brand (brand_id) values (1) returning brand_id)
select brand_id from added

-- broken: rule 8, no_node_local_signals, execute
listen feed
-- mended
select slug from brand

-- broken: rule 8, no_node_local_signals, execute
select pg_advisory_xact_lock(1)
-- mended
select slug from brand for update

-- broken: rule 8, no_node_local_signals, execute
select pg_notify('feed', '')
-- mended
select 1 as x

-- broken: pool, no_session_settings, execute
set jit = on
-- mended
set local jit = on

-- broken: rule 9, locks_in_one_bucket, many
select at from event where (bucket, at) in (values :each(b::int, at::date)) for update
-- mended
select at from event where bucket = :bucket for update

-- broken: rule 9, locks_in_one_bucket, many
select at from event where bucket = any(:buckets::int[]) for no key update skip locked
-- mended
select at from event where bucket = :bucket for no key update skip locked

-- broken: rule 9, joins_stay_on_a_node, many
select e.at from event as e join note as n on n.at = e.at where e.bucket = :bucket
-- mended
select e.at from event as e join brand as b on b.at = e.at where e.bucket = :bucket

-- broken: rule 10, updates_are_counted, execute
update brand set slug = :slug where brand_id = 1
-- mended
insert into brand (brand_id) values (1) on conflict (brand_id) do update set slug = :slug

-- broken: rule 10, updates_are_counted, many
update brand set slug = :slug returning brand_id
-- mended
-- lint: fewer rows, those that are
update brand set slug = :slug returning brand_id

-- broken: rule 10, updates_are_counted, values
insert into brand (brand_id) values (1)
on conflict (brand_id) do update set slug = :slug
returning brand_id
-- mended
insert into brand (brand_id) values (1) on conflict (brand_id) do nothing returning brand_id

-- broken: rule 11, no_schema_changes, execute
create table brand (brand_id int)
-- mended
insert into brand (brand_id) values (1)
