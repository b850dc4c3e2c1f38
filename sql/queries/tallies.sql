-- name: added :many
-- Sum up, by block and channel, the opt-outs that were added in a range of positions of a bucket.
-- One range a statement: joined with a list of ranges, the whole bucket would be read.
select (position - 1) / :block_positions::bigint as block, channel, count(*) as added_count,
    min(received_at + (deadline_at - received_at) * 0.5) as "half_at?",
    min(received_at + (deadline_at - received_at) * 0.8) as "four_fifths_at?",
    min((deadline ->> 'target_at')::timestamptz) as "target_at?",
    min(deadline_at) as "deadline_at?"
from preference_event
where bucket = :bucket and brand_id = :brand_id and position > :after and position <= :upto
    and effect = 'added'
group by 1, channel

-- name: tallied :many
-- Sum up, by channel, the tallies of each of these ranges of blocks of a bucket, the last excluded.
select r.number, t.channel, count(*) as block_count, max(t.block) as last_block,
    sum(t.added_count) as added_count, min(t.half_at) as "half_at?",
    min(t.four_fifths_at) as "four_fifths_at?", min(t.target_at) as "target_at?",
    min(t.deadline_at) as "deadline_at?"
from (values :each(number::bigint, first::bigint, upto::bigint)) as r (number, first, upto)
join feed_tally as t on t.bucket = :bucket and t.brand_id = :brand_id
    and t.block >= r.first and t.block < r.upto
group by r.number, t.channel

-- name: tallies :many
-- Read the tallies of a range of blocks of a bucket, the last excluded.
select block, channel, added_count, half_at as "half_at?", four_fifths_at as "four_fifths_at?",
    target_at as "target_at?", deadline_at as "deadline_at?"
from feed_tally
where bucket = :bucket and brand_id = :brand_id and block >= :first and block < :upto

-- name: last_tally :value
-- Read the last block of a brand and bucket that is tallied for a channel.
select max(block) as "last_block?"
from feed_tally
where bucket = :bucket and brand_id = :brand_id and channel = :channel

-- name: keep_tallies :execute
-- Keep tallies; another process may have made the same ones.
insert into feed_tally (
    bucket, brand_id, channel, block, added_count, half_at, four_fifths_at, target_at, deadline_at
)
values :each(
    bucket::smallint, brand_id::int, channel::text, block::bigint, added_count::int,
    half_at::timestamptz?, four_fifths_at::timestamptz?, target_at::timestamptz?,
    deadline_at::timestamptz?
)
on conflict (bucket, brand_id, block, channel) do nothing

-- name: first_due :maybe
-- Find the first opt-out of a range of positions of a bucket that falls due at a moment.
select event_id, position
from preference_event
where bucket = :bucket and brand_id = :brand_id and position > :after and position <= :upto
    and channel = :channel and effect = 'added' and deadline_at = :deadline_at
order by position
limit 1
