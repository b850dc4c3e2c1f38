-- name: installation :maybe
-- Read this installation's one row.
select installation_id, feed_epoch, server_history, pepper_version, pepper_fingerprint,
    ledger_fingerprint, epoch_began_at as "epoch_began_at?"
from installation
where only_row

-- name: found_installation :execute
-- Write the installation's row at the very first start; a start beside it keeps the first one.
insert into installation (
    installation_id, feed_epoch, server_history, bucket_count, pepper_version, pepper_fingerprint,
    ledger_fingerprint, created_at, epoch_began_at
)
values (
    :installation_id, :feed_epoch, :server_history, :bucket_count, :pepper_version,
    :pepper_fingerprint, :ledger_fingerprint, :created_at, :created_at
)
on conflict (only_row) do nothing

-- name: server_history :value
-- Say which history this server is on: its own identity and its timeline, which a failover or a
-- restore to a point in time changes.
select (select system_identifier from pg_control_system())::text
    || '/' || (select timeline_id from pg_control_checkpoint())::text as server_history

-- name: begin_epoch :count
-- Begin a new feed epoch, unless another process has begun it.
update installation
set feed_epoch = :feed_epoch, server_history = :server_history, epoch_began_at = :now
where only_row and server_history = :previous_history

-- name: kept_answer :maybe
-- Read the answer kept under an Idempotency-Key.
select request_sha256, status, answer
from idempotent_answer
where bucket = :bucket and owner = :owner and idempotency_key = :idempotency_key

-- name: keep_answer :maybe
-- Claim an Idempotency-Key with its answer; nothing where somebody else has it.
insert into idempotent_answer (
    bucket, owner, idempotency_key, request_sha256, status, answer, created_at
)
values (:bucket, :owner, :idempotency_key, :request_sha256, :status, :answer, :created_at)
on conflict (bucket, owner, idempotency_key) do nothing
returning bucket

-- name: forget_answers :count
-- Forget answers kept for longer than promised.
-- lint: all buckets, one sweep a round in place of 64 transactions
delete from idempotent_answer
where created_at < :before
