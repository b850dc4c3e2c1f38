-- Opt-outs from before WhatsApp was a channel that are about it, too. The ledger's rows are sealed by
-- the program, so it is the program that records them on WhatsApp (work/reaching), and empties this.
create table prefsvc.reach_backlog (
    bucket   smallint not null,
    event_id uuid not null,
    constraint reach_backlog_pkey primary key (bucket, event_id)
);
select prefsvc.distribute('reach_backlog', 'distributed', 'bucket', 'feed_head');

-- What was said of more than a channel.
insert into prefsvc.reach_backlog (bucket, event_id)
select bucket, event_id
from prefsvc.suppression
where channel = 'sms' and active and scope in ('brand', 'third_party_sharing')
on conflict (bucket, event_id) do nothing;

-- What was said on WhatsApp, which counted as a text, and was not taken back since. The opt-out that
-- the suppression names may be a later one: one that falls due earlier takes its place.
insert into prefsvc.reach_backlog (bucket, event_id)
select e.bucket, e.event_id
from prefsvc.suppression as s
join prefsvc.preference_event as e on e.bucket = s.bucket and e.brand_id = s.brand_id
    and e.address_key = s.address_key
join prefsvc.evidence as p on p.bucket = e.bucket and p.event_id = e.event_id
where s.channel = 'sms' and s.active and s.scope = 'channel' and e.channel = 'sms'
    and e.act = 'opt_out' and e.scope = s.scope and e.reason = s.reason
    and p.content ->> 'network' = 'whatsapp'
    and not exists (
        select 1 as lifted
        from prefsvc.preference_event as l
        where l.bucket = e.bucket and l.brand_id = e.brand_id and l.address_key = e.address_key
            and l.channel = e.channel and l.scope = e.scope and l.reason = e.reason
            and l.effect = 'lifted' and l.position > e.position
    )
on conflict (bucket, event_id) do nothing;

-- What was written on WhatsApp and nobody has decided yet: what it stops, it stops there.
update prefsvc.review
set channel = 'whatsapp'
where channel = 'sms' and state = 'open' and evidence ->> 'network' = 'whatsapp';
