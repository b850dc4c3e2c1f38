-- Receipts: one mail to who opted out by mail, through the queue that alarms go out by.

-- When an address last had a receipt, whichever brand sent it: at most one goes out in a week.
create table prefsvc.receipt (
    bucket      smallint not null,
    address_key bytea not null,
    brand_id    integer not null,
    -- The opt-out that it was about.
    event_id    uuid not null,
    queued_at   timestamptz not null,
    constraint receipt_pkey primary key (bucket, address_key)
);
select prefsvc.distribute('receipt', 'distributed', 'bucket', 'feed_head');
create index receipt_in_order on prefsvc.receipt (bucket, queued_at);

-- A brand has one endpoint for all of them, of a kind of its own; whose mailbox it is, each delivery says by its
-- opt-out, so that no address lies in the queue. Endpoints are few, so looking at each of them is done at once.
alter table prefsvc.endpoint
    -- squawk-ignore ban-drop-constraint
    drop constraint endpoint_kind_is_known,
    add constraint endpoint_kind_is_known check (kind in ('webhook', 'mail', 'receipt')) not valid;
-- squawk-ignore constraint-missing-not-valid
alter table prefsvc.endpoint validate constraint endpoint_kind_is_known;
-- squawk-ignore require-concurrent-index-creation
create unique index endpoint_of_receipts on prefsvc.endpoint (brand_id) where kind = 'receipt';
