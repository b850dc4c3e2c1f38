-- name: register_mailing :maybe
-- Register a mailing; nothing where the sender has one of that name.
insert into mailing (
    sender_id, name, feed_epoch, positions, topic, message_class, registered_at, head_positions
)
values (
    :sender_id, :name, :feed_epoch, :positions, :topic?, :message_class, :registered_at,
    :head_positions
)
on conflict (sender_id, name) do nothing
returning name

-- name: mailings_named :many
-- Read a sender's mailings of these names.
select name, feed_epoch, positions, topic as "topic?", message_class, registered_at, head_positions
from mailing
where sender_id = :sender_id and name = any(:names::text[])

-- name: newest_mailings :many
-- Read a sender's mailings, the newest first.
select name, feed_epoch, positions, topic as "topic?", message_class, registered_at, head_positions
from mailing
where sender_id = :sender_id
order by registered_at desc, name
limit :size
