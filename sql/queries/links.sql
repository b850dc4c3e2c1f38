-- name: ensure_short_links :execute
-- Store short links; one that exists stays as it is.
insert into short_link (
    bucket, link_id, brand_id, address_key, channel, topic, mailshot, language, country,
    created_at
)
values :each(
    bucket::smallint, link_id::bytea, brand_id::int, address_key::bytea, channel::text, topic::text?,
    mailshot::text?, language::text?, country::text?, created_at::timestamptz
)
on conflict (bucket, link_id) do nothing

-- name: short_links :many
-- Read what these short links of one bucket stand for.
select link_id, brand_id, address_key, channel, topic as "topic?", mailshot as "mailshot?",
    language as "language?", country as "country?"
from short_link
where bucket = :bucket and link_id = any(:link_ids::bytea[])

-- name: short_link :maybe
-- Read what one short link stands for, with the address unless it was erased.
select l.brand_id, l.address_key, l.channel, l.topic as "topic?", l.mailshot as "mailshot?",
    l.language as "language?", l.country as "country?", a.canonical as "canonical?"
from short_link as l
left join address as a on a.bucket = l.bucket and a.address_key = l.address_key
where l.bucket = :bucket and l.link_id = :link_id and l.brand_id = :brand_id
