-- name: begin_import :execute
-- Begin an import, unless it was begun before.
insert into import (
    import_id, brand_id, name, reading, begun_at, begun_by, line, lines_sha256, refused, notes
)
values (
    :import_id, :brand_id, :name, :reading, :begun_at, :begun_by, 0, :lines_sha256, '{}', '{}'
)
on conflict (import_id) do nothing

-- name: find_import :maybe
-- Read an import of a brand.
select import_id, name, reading, begun_at, begun_by, line, lines_sha256,
    finished_at as "finished_at?", refused, notes
from import
where import_id = :import_id and brand_id = :brand_id

-- name: brand_imports :many
-- Read a brand's imports, the newest first.
select import_id, name, reading, begun_at, begun_by, line, lines_sha256,
    finished_at as "finished_at?", refused, notes
from import
where brand_id = :brand_id
order by begun_at desc, import_id desc
limit :size

-- name: note_import_read :count
-- Note how far a list was read, before anything of that part is recorded.
update import
set line = :line, lines_sha256 = :lines_sha256
where import_id = :import_id and line < :line

-- name: finish_import :count
-- Note that a list was read to its end.
update import
set line = :line, lines_sha256 = :lines_sha256, finished_at = :now, refused = :refused,
    notes = :notes
where import_id = :import_id and finished_at is null

-- name: import_places :many
-- Read how far an import has come in each bucket, and what came of its rows.
-- lint: all buckets, an import is about addresses of every bucket
select bucket, line, counts
from import_place
where import_id = :import_id

-- name: move_import_place :count
-- Move an import on in a bucket; not if another process has moved it meanwhile.
insert into import_place (bucket, import_id, line, counts)
values (:bucket, :import_id, :line, :counts)
on conflict (bucket, import_id) do update
set line = excluded.line, counts = excluded.counts
where import_place.line = :before

-- name: keep_import_refusals :execute
-- Keep where refused rows stand, and why.
insert into import_refusal (import_id, line, why)
values :each(import_id::uuid, line::bigint, why::text)
on conflict (import_id, line) do nothing

-- name: import_refusals :many
-- Read the first rows of an import that were refused.
select line, why
from import_refusal
where import_id = :import_id
order by line
limit :size
