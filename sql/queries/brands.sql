-- name: brands :many
-- Read every brand there ever was; old links of a retired one keep working.
select brand_id, slug, definition, applied_at, retired_at as "retired_at?"
from brand
order by slug

-- name: lock_brands :execute
-- Let one process at a time apply brands; readers are not disturbed.
lock table brand in share row exclusive mode

-- name: lock_brand :maybe
-- Lock one brand's row, so that what is counted under it is counted one after another.
select brand_id
from brand
where brand_id = :brand_id
for no key update

-- name: put_brand :execute
-- Apply a brand's definition; its number stays the first one it was given.
insert into brand (brand_id, slug, definition, applied_at)
values (:brand_id, :slug, :definition, :applied_at)
on conflict (slug) do update set
    definition = excluded.definition, applied_at = excluded.applied_at, retired_at = null

-- name: retire_brand :count
-- Retire a brand: nothing new is offered, its opt-outs stand and its links work.
update brand
set retired_at = :now
where slug = :slug and retired_at is null

-- name: brands_version :value
-- Digest when each brand was applied and retired: another digest, another book, whatever the clocks.
select md5(string_agg(brand_id || '/' || applied_at || '/' || coalesce(retired_at::text, ''), ','
    order by brand_id)) as "version?"
from brand
