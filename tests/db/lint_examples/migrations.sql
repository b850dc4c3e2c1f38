-- What each rule of sql/lint_migrations.py finds, and the same mended.

-- broken: rule 1, own_schema
create view brands as select 1 as x
-- mended
create view prefsvc.brands as select 1 as x

-- broken: rule 1, own_schema
alter table if exists public.brand add column x text
-- mended
alter table if exists prefsvc.brand add column x text

-- broken: rule 1, own_schema
create index brand_x on brand (slug)
-- mended
create index brand_x on prefsvc.brand (slug)

-- broken: rule 1, own_schema
drop schema public cascade
-- mended
drop table prefsvc.note

-- broken: rule 1, placed_at_once
create table prefsvc.extra (x int);
select 1
-- mended
create table prefsvc.extra (x int);
select prefsvc.distribute('extra', 'local', '', '')

-- broken: rule 1, placed_at_once
create table prefsvc.extra (x int);
select prefsvc.distribute('extra', 'lokal', '', '')
-- mended
create table if not exists prefsvc.extra (x int);
select prefsvc.distribute('extra', 'local', '', '')

-- broken: rule 3, placed_at_once
create table prefsvc.extra (x int);
select prefsvc.distribute('extra', 'distributed', 'bucket', '')
-- mended
create table prefsvc.extra (x int, bucket smallint);
select prefsvc.distribute('extra', 'distributed', 'bucket', '')

-- broken: rule 3, keys_begin_with_the_bucket
create unique index event_x on prefsvc.event (at)
-- mended
create unique index event_x on prefsvc.event (bucket, at)

-- broken: rule 3, keys_begin_with_the_bucket
alter table prefsvc.event add constraint event_x unique (at, bucket)
-- mended
alter table prefsvc.event add constraint event_x unique (bucket, at)

-- broken: rule 3, keys_begin_with_the_bucket
alter table prefsvc.event add exclude using gist (at with =)
-- mended
alter table prefsvc.event add exclude using gist (bucket with =, at with =)

-- broken: rule 3, keys_begin_with_the_bucket
create table prefsvc.extra (bucket smallint, x int check (x in (1, 2)) unique);
select prefsvc.distribute('extra', 'distributed', 'bucket', '')
-- mended
create table prefsvc.extra (bucket smallint unique, x int check (x in (1, 2)));
select prefsvc.distribute('extra', 'distributed', 'bucket', '')

-- broken: rule 3, foreign_keys_stay_together
alter table prefsvc.event add foreign key (event_id) references prefsvc.event (event_id)
-- mended
alter table prefsvc.event add foreign key (bucket, event_id)
references prefsvc.event (bucket, event_id)

-- broken: rule 2, foreign_keys_stay_together
alter table prefsvc.event add foreign key (note_id) references prefsvc.note (note_id)
-- mended
alter table prefsvc.event add foreign key (brand_id) references prefsvc.brand (brand_id)

-- broken: rule 2, foreign_keys_stay_together
alter table prefsvc.brand add foreign key (x) references prefsvc.note (note_id)
-- mended
alter table prefsvc.brand add foreign key (x) references prefsvc.brand (brand_id)

-- broken: rule 4, no_identity
alter table prefsvc.event add column x int generated always as identity
-- mended
alter table prefsvc.event add column x int generated always as (1) stored

-- broken: rule 4, no_identity
alter table prefsvc.event add column x bigserial
-- mended
alter table prefsvc.event add column x bigint

-- broken: rule 4, no_objects_that_fire_or_hide
create sequence prefsvc.x
-- mended
drop sequence prefsvc.x

-- broken: rule 5, no_objects_that_fire_or_hide
create type prefsvc.act as enum ('opt_out')
-- mended
drop type prefsvc.act

-- broken: rule 5, no_objects_that_fire_or_hide
create domain prefsvc.slug as text
-- mended
drop domain prefsvc.slug

-- broken: rule 6, no_objects_that_fire_or_hide
create trigger x before insert on prefsvc.event execute function prefsvc.f()
-- mended
drop trigger x on prefsvc.event

-- broken: rule 6, no_objects_that_fire_or_hide
create or replace rule x as on insert to prefsvc.event do nothing
-- mended
drop rule x on prefsvc.event

-- broken: rule 6, no_volatile_defaults
alter table prefsvc.event add column x timestamptz default now()
-- mended
alter table prefsvc.event add column x boolean default true

-- broken: rule 6, no_volatile_defaults
alter table prefsvc.event alter column x set default current_timestamp
-- mended
alter table prefsvc.event alter column x set default 'now'

-- broken: rule 6, no_volatile_defaults
alter table prefsvc.event alter column x set default (random())
-- mended
alter table prefsvc.event alter column x drop default

-- broken: rule 9, functions_find_their_names
create function prefsvc.f() returns int language sql as 'select 1'
-- mended
create function prefsvc.f() returns int language sql set search_path = prefsvc as 'select 1'

-- broken: rule 11, transactions_are_the_runners
select 1;
commit;
select 2
-- mended
select 1;
select 2

-- broken: rule 11, transactions_are_the_runners
create index concurrently event_x on prefsvc.event (at)
-- mended
-- outside a transaction
drop index concurrently if exists prefsvc.event_x;
create index concurrently if not exists event_x on prefsvc.event (at)

-- broken: rule 11, outside_is_repeatable
-- outside a transaction
create index concurrently event_x on prefsvc.event (at)
-- mended
-- outside a transaction
drop index concurrently if exists prefsvc.event_x;
create index concurrently event_x on prefsvc.event (at);
analyze prefsvc.event

-- broken: rule 11, outside_is_repeatable
-- outside a transaction
update prefsvc.event set at = at
-- mended
update prefsvc.event set at = at

-- broken: rule 11, outside_is_repeatable
-- outside a transaction
drop table prefsvc.event
-- mended
drop table prefsvc.event
