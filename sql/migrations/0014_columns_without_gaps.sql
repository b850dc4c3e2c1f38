-- The columns of suppression in an order that spends nothing on alignment: 16 bytes less of each row. Where there
-- are rows, they stay as they are: writing them all anew would keep everybody waiting, and all that differs is what
-- a row takes.
do $$
begin
    lock table prefsvc.suppression in access exclusive mode;
    if exists (select 1 as found from prefsvc.suppression) then
        return;
    end if;
    drop table prefsvc.suppression;
    create table prefsvc.suppression (
        said_at     timestamptz not null,
        deadline_at timestamptz,
        position    bigint not null,
        brand_id    integer not null,
        bucket      smallint not null,
        active      boolean not null,
        unproven    boolean not null default false,
        event_id    uuid not null,
        address_key bytea not null,
        channel     text not null,
        scope       text not null,
        topic       text not null,
        reason      text not null,
        constraint suppression_pkey primary key (bucket, brand_id, address_key, channel, scope, topic, reason),
        constraint suppression_has_a_deadline check (not active or deadline_at is not null)
    );
    perform prefsvc.distribute('suppression', 'distributed', 'bucket', 'feed_head');
end
$$;
