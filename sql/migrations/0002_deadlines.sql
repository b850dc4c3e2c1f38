-- Honour windows, enforced: what each sender owes, what it was told, what it sent, and who hears of it.

-- When the feed epoch began: senders that have acknowledged nothing since then have a window from there.
alter table prefsvc.installation add column epoch_began_at timestamptz;

-- Where the recipient is, as the link was told: its country's rules then apply.
alter table prefsvc.short_link add column country text;

-- Sums over whole blocks of 256 positions, so that what a sender owes is summed up without reading it all.
-- Block n covers positions n * 256 + 1 to (n + 1) * 256. The ledger only grows, so a tally never changes;
-- a block that has none yet is read from the ledger itself.
create table prefsvc.feed_tally (
    bucket         smallint not null,
    brand_id       integer not null,
    channel        text not null,
    block          bigint not null,
    added_count    integer not null,
    -- The earliest moment at which, of one of these opt-outs, half the window is over; four fifths;
    -- the target; the deadline.
    half_at        timestamptz,
    four_fifths_at timestamptz,
    target_at      timestamptz,
    deadline_at    timestamptz,
    constraint feed_tally_pkey primary key (bucket, brand_id, block, channel),
    constraint feed_tally_counts_a_block check (added_count between 0 and 256),
    constraint feed_tally_knows_its_earliest check ((added_count = 0) = (deadline_at is null))
);
select prefsvc.distribute('feed_tally', 'distributed', 'bucket', 'feed_head');

-- What a sender was given, by feed page, snapshot or notice: how far it had been told at the end of a minute's pages.
create table prefsvc.handover (
    sender_id  uuid not null,
    feed_epoch uuid not null,
    minute     timestamptz not null,
    handed_at  timestamptz not null,
    positions  bigint[] not null,
    constraint handover_pkey primary key (sender_id, feed_epoch, minute),
    constraint handover_sender_exists foreign key (sender_id) references prefsvc.sender (sender_id),
    constraint handover_covers_every_bucket check (array_length(positions, 1) = 64)
);
select prefsvc.distribute('handover', 'reference', '', '');

-- A mailing and the cursor that its list was cut at: what it knew.
create table prefsvc.mailing (
    sender_id      uuid not null,
    name           text not null,
    feed_epoch     uuid not null,
    positions      bigint[] not null,
    topic          text,
    message_class  text not null,
    registered_at  timestamptz not null,
    -- How far the feed had come by then: what is beyond was recorded afterwards, whatever clocks say.
    head_positions bigint[] not null,
    constraint mailing_pkey primary key (sender_id, name),
    constraint mailing_sender_exists foreign key (sender_id) references prefsvc.sender (sender_id),
    constraint mailing_covers_every_bucket
        check (array_length(positions, 1) = 64 and array_length(head_positions, 1) = 64),
    constraint mailing_class_is_known check (message_class in ('marketing', 'transactional', 'service'))
);
select prefsvc.distribute('mailing', 'reference', '', '');
create index mailing_newest_first on prefsvc.mailing (sender_id, registered_at desc);

-- A report of what a sender sent: its counts. What was clear leaves no row of its own.
create table prefsvc.send_report (
    report_id       uuid not null,
    sender_id       uuid not null,
    received_at     timestamptz not null,
    finished_at     timestamptz,
    first_sent_at   timestamptz,
    last_sent_at    timestamptz,
    clear_count     bigint not null,
    in_flight_count bigint not null,
    violation_count bigint not null,
    exempt_count    bigint not null,
    refused_count   bigint not null,
    body_sha256     bytea,
    constraint send_report_pkey primary key (report_id),
    constraint send_report_sender_exists foreign key (sender_id) references prefsvc.sender (sender_id)
);
select prefsvc.distribute('send_report', 'reference', '', '');

-- A matter for people: a sender that was overdue, or that sent after a deadline.
create table prefsvc.honour_case (
    case_id         uuid not null,
    sender_id       uuid not null,
    kind            text not null,
    -- The mailing that a violation was sent in; '' where none was named, and for overdue senders.
    mailing         text not null,
    opened_at       timestamptz not null,
    -- What is known at the opening: the opt-out, its deadline, what the sender had acknowledged.
    evidence        jsonb not null,
    violation_count bigint not null,
    -- When an overdue sender had caught up.
    recovered_at    timestamptz,
    resolved_at     timestamptz,
    cause           text,
    resolved_by     text,
    constraint honour_case_pkey primary key (case_id),
    constraint honour_case_sender_exists foreign key (sender_id) references prefsvc.sender (sender_id),
    constraint honour_case_kind_is_known check (kind in ('overdue', 'violation')),
    constraint honour_case_is_resolved_by_somebody
        check ((resolved_at is null) = (cause is null) and (resolved_at is null) = (resolved_by is null))
);
select prefsvc.distribute('honour_case', 'reference', '', '');
create unique index honour_case_is_open_once
    on prefsvc.honour_case (sender_id, kind, mailing) where resolved_at is null;

-- What people, and prefsvc itself, wrote down about a case.
create table prefsvc.case_note (
    case_id  uuid not null,
    note_id  uuid not null,
    noted_at timestamptz not null,
    noted_by text not null,
    note     text not null,
    constraint case_note_pkey primary key (case_id, note_id),
    constraint case_note_case_exists foreign key (case_id) references prefsvc.honour_case (case_id)
);
select prefsvc.distribute('case_note', 'reference', '', '');

-- A message that was sent after the deadline of an opt-out that covers it.
create table prefsvc.violation (
    bucket          smallint not null,
    -- Made from what was sent, when and to whom: a report that is sent again finds the same ones.
    violation_id    uuid not null,
    case_id         uuid not null,
    report_id       uuid not null,
    brand_id        integer not null,
    sender_id       uuid not null,
    address_key     bytea not null,
    sent_at         timestamptz not null,
    topic           text,
    message_class   text not null,
    mailing         text,
    opt_out_id      uuid not null,
    deadline_at     timestamptz not null,
    -- What the sender had acknowledged when it sent: since when, and whether the opt-out was in it.
    acknowledged_at timestamptz,
    had_heard       boolean not null,
    -- Whether the list that the mailing was cut from had the opt-out, where that is known.
    list_had_it     boolean,
    found_at        timestamptz not null,
    constraint violation_pkey primary key (bucket, violation_id),
    constraint violation_was_after_the_deadline check (sent_at > deadline_at)
);
select prefsvc.distribute('violation', 'distributed', 'bucket', 'feed_head');
create index violation_of_a_case on prefsvc.violation (case_id, sent_at, violation_id);

-- Which steps of its clock an alarm was raised for, since the sender was last in order.
create table prefsvc.sender_watch (
    sender_id  uuid not null,
    spell_id   uuid,
    steps      text[] not null,
    -- The history that the steps were passed in: after a restore every clock begins anew.
    feed_epoch uuid,
    constraint sender_watch_pkey primary key (sender_id)
);
select prefsvc.distribute('sender_watch', 'local', '', '');

-- Every alarm there was: once per sender, spell (from trouble to recovery, or one case) and step.
create table prefsvc.alarm (
    alarm_id  uuid not null,
    brand_id  integer not null,
    sender_id uuid not null,
    spell_id  uuid not null,
    step      text not null,
    raised_at timestamptz not null,
    details   jsonb not null,
    constraint alarm_pkey primary key (alarm_id),
    constraint alarm_is_raised_once unique (sender_id, spell_id, step),
    constraint alarm_step_is_known
        check (step in ('half', 'four_fifths', 'target', 'overdue', 'violation', 'recovery'))
);
select prefsvc.distribute('alarm', 'local', '', '');
create index alarm_newest_first on prefsvc.alarm (brand_id, raised_at desc, alarm_id desc);

-- Where notices go: a URL (a webhook) or a mailbox.
create table prefsvc.endpoint (
    endpoint_id            uuid not null,
    brand_id               integer not null,
    -- Only what concerns this sender; by default every sender of the brand.
    sender_id              uuid,
    kind                   text not null,
    target                 text not null,
    events                 text[] not null,
    with_addresses         boolean not null,
    -- Sealed under a key outside the database, so that nobody who reads it can sign in our name.
    sealed_secret          bytea,
    previous_sealed_secret bytea,
    previous_until         timestamptz,
    -- How far in the feed change notices have been written for it.
    feed_epoch             uuid,
    positions              bigint[],
    created_at             timestamptz not null,
    disabled_at            timestamptz,
    disabled_why           text,
    constraint endpoint_pkey primary key (endpoint_id),
    constraint endpoint_kind_is_known check (kind in ('webhook', 'mail')),
    constraint endpoint_webhook_has_a_secret check ((kind = 'webhook') = (sealed_secret is not null)),
    constraint endpoint_covers_every_bucket check (array_length(positions, 1) = 64),
    constraint endpoint_disabled_for_a_reason check ((disabled_at is null) = (disabled_why is null))
);
select prefsvc.distribute('endpoint', 'local', '', '');

-- A notice on its way to one endpoint. It is written in the transaction of what it tells of.
create table prefsvc.delivery (
    delivery_id     uuid not null,
    endpoint_id     uuid not null,
    type            text not null,
    occurred_at     timestamptz not null,
    data            jsonb not null,
    state           text not null,
    attempt_count   smallint not null,
    created_at      timestamptz not null,
    next_attempt_at timestamptz,
    -- Until when one process has it in hand; when it dies, another takes over after this.
    claimed_until   timestamptz,
    finished_at     timestamptz,
    failed_why      text,
    -- How many attempts there were when it was last sent off by hand: its schedule begins there.
    replayed_after  smallint not null,
    constraint delivery_pkey primary key (delivery_id),
    constraint delivery_endpoint_exists foreign key (endpoint_id)
        references prefsvc.endpoint (endpoint_id) on delete cascade,
    constraint delivery_state_is_known check (state in ('pending', 'delivered', 'failed')),
    constraint delivery_pending_has_a_next_attempt
        check ((state = 'pending') = (next_attempt_at is not null) and (state = 'pending') = (finished_at is null)),
    constraint delivery_failed_for_a_reason check ((state = 'failed') = (failed_why is not null))
);
select prefsvc.distribute('delivery', 'local', '', '');
create index delivery_due on prefsvc.delivery (endpoint_id, next_attempt_at) where state = 'pending';
create index delivery_failed on prefsvc.delivery (endpoint_id, created_at) where state = 'failed';
create index delivery_of_an_endpoint on prefsvc.delivery (endpoint_id, created_at desc, delivery_id desc);
create index delivery_finished on prefsvc.delivery (finished_at) where state <> 'pending';

-- The delivery log: every attempt, and what came of it.
create table prefsvc.delivery_attempt (
    delivery_id  uuid not null,
    attempt      smallint not null,
    attempted_at timestamptz not null,
    took_ms      integer not null,
    -- The HTTP status or the SMTP code, where there was an answer.
    status       smallint,
    outcome      text not null,
    constraint delivery_attempt_pkey primary key (delivery_id, attempt),
    constraint delivery_attempt_delivery_exists foreign key (delivery_id)
        references prefsvc.delivery (delivery_id) on delete cascade
);
select prefsvc.distribute('delivery_attempt', 'local', '', '');
