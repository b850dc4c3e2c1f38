-- Doubtful replies: a person decides whether one was a stop; one that nobody decides is a stop.
create table prefsvc.review (
    bucket      smallint not null,
    -- Made from the message, so that it is asked about once; the low six bits are its bucket.
    review_id   uuid not null,
    brand_id    integer not null,
    address_key bytea not null,
    channel     text not null,
    -- When the message came: an opt-out that is found in it was received then.
    asked_at    timestamptz not null,
    -- How the words were read: rule, language, scope.
    decision    jsonb not null,
    -- The message as it came, with the person's words.
    evidence    jsonb not null,
    -- The opt-out that was recorded at once, or by the decision.
    opt_out_id  uuid,
    state       text not null,
    decided_at  timestamptz,
    decided_by  text,
    note        text,
    constraint review_pkey primary key (bucket, review_id),
    constraint review_channel_is_known check (channel in ('email', 'sms', 'post')),
    constraint review_state_is_known check (state in ('open', 'stop', 'dismissed')),
    constraint review_stop_has_an_opt_out check (state <> 'stop' or opt_out_id is not null),
    constraint review_is_decided_by_somebody
        check ((state = 'open') = (decided_at is null) and (state = 'open') = (decided_by is null))
);
select prefsvc.distribute('review', 'distributed', 'bucket', 'feed_head');
create index review_in_order on prefsvc.review (brand_id, asked_at, review_id);
create index review_open on prefsvc.review (asked_at, review_id) where state = 'open';
