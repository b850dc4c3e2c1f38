-- name: open_review :execute
-- Open the review of a message; the head of its brand and bucket is locked, and it has none yet.
insert into review (
    bucket, review_id, brand_id, address_key, channel, asked_at, decision, evidence, opt_out_id,
    state
)
values (
    :bucket, :review_id, :brand_id, :address_key, :channel, :asked_at, :decision, :evidence,
    :opt_out_id?, 'open'
)

-- name: decide_review :count
-- Close a review that is open.
update review
set state = :state, opt_out_id = :opt_out_id?, decided_at = :now, decided_by = :decided_by,
    note = :note?
where bucket = :bucket and review_id = :review_id and state = 'open'

-- name: review_by_id :maybe
-- Read a review of a brand, with the address unless it was erased.
select r.review_id, r.address_key, r.channel, r.asked_at, r.decision, r.evidence,
    r.opt_out_id as "opt_out_id?", r.state, r.decided_at as "decided_at?",
    r.decided_by as "decided_by?", r.note as "note?", a.canonical as "canonical?"
from review as r
left join address as a on a.bucket = r.bucket and a.address_key = r.address_key
where r.bucket = :bucket and r.review_id = :review_id and r.brand_id = :brand_id

-- name: review_page :many
-- Read a brand's reviews, the one that came first at the top, from one on.
-- lint: all buckets, a queue is of every address
select r.review_id, r.address_key, r.channel, r.asked_at, r.decision, r.evidence,
    r.opt_out_id as "opt_out_id?", r.state, r.decided_at as "decided_at?",
    r.decided_by as "decided_by?", r.note as "note?", a.canonical as "canonical?"
from review as r
left join address as a on a.bucket = r.bucket and a.address_key = r.address_key
where r.brand_id = :brand_id
    and (:state?::text is null or r.state = :state)
    and (:after?::timestamptz is null or (r.asked_at, r.review_id) > (:after, :after_id?::uuid))
order by r.asked_at, r.review_id
limit :size

-- name: unanswered_reviews :many
-- Find open reviews of messages that came before a moment, from one on.
-- lint: all buckets, whoever waits longest is in any of them
select brand_id, review_id, asked_at
from review
where state = 'open' and asked_at < :before
    and (:after?::timestamptz is null or (asked_at, review_id) > (:after, :after_id?::uuid))
order by asked_at, review_id
limit :size

-- name: open_reviews :many
-- Count the open reviews of every brand, and say since when the first waits.
-- lint: all buckets, numbers for the metrics
select b.slug as brand, count(*) as review_count, min(r.asked_at) as oldest_at
from review as r
join brand as b on b.brand_id = r.brand_id
where r.state = 'open'
group by b.slug
