-- outside a transaction
-- An address's own history: what had been said when a message was sent to it.
drop index concurrently if exists prefsvc.preference_event_of_an_address;
-- squawk-ignore ban-concurrent-index-creation-in-transaction, prefer-robust-stmts
create index concurrently preference_event_of_an_address
    on prefsvc.preference_event (bucket, brand_id, address_key);
