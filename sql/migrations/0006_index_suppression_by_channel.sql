-- outside a transaction
-- What will be the key of suppression: a phone number stands on each of its channels by itself.
drop index concurrently if exists prefsvc.suppression_by_channel;
-- squawk-ignore ban-concurrent-index-creation-in-transaction, prefer-robust-stmts
create unique index concurrently suppression_by_channel
    on prefsvc.suppression (bucket, brand_id, address_key, channel, scope, topic, reason);
