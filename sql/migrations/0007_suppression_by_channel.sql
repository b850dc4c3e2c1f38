-- A block's tallies are whole with one for each channel; of WhatsApp, nothing was ever added before.
insert into prefsvc.feed_tally (bucket, brand_id, channel, block, added_count)
select bucket, brand_id, 'whatsapp', block, 0
from prefsvc.feed_tally
where channel = 'sms'
on conflict (bucket, brand_id, block, channel) do nothing;

alter table prefsvc.sender validate constraint sender_channel_is_known;
alter table prefsvc.review validate constraint review_channel_is_known;
alter table prefsvc.preference_event validate constraint preference_event_channel_is_known;

-- Last, because only this keeps others waiting, and for no longer than it takes to rename an index.
-- A process of an earlier version cannot write suppressions any more from here on.
do $$
begin
    if exists (select 1 as found from pg_extension where extname = 'citus') then
        -- Citus makes no key of an index that there is; it builds this one while writers wait.
        alter table prefsvc.suppression drop constraint suppression_pkey;
        alter table prefsvc.suppression add constraint suppression_pkey
            primary key (bucket, brand_id, address_key, channel, scope, topic, reason);
        drop index prefsvc.suppression_by_channel;
    else
        alter table prefsvc.suppression
            drop constraint suppression_pkey,
            add constraint suppression_pkey primary key using index suppression_by_channel;
    end if;
end
$$;
