-- Mail that nobody vouches for counts, and can be taken back where it turns out to be forged
-- (docs/decisions/0006-forged-mail.md).

-- That only such mail has said so. What stands from before was not marked, and is not taken back.
alter table prefsvc.suppression add column unproven boolean not null default false;

-- How many removals by such mail came from where, for as long as a flood is looked for in them.
create table prefsvc.mail_origin (
    brand_id   integer not null,
    origin     text not null,
    minute     timestamptz not null,
    mail_count integer not null,
    constraint mail_origin_pkey primary key (brand_id, origin, minute)
);
select prefsvc.distribute('mail_origin', 'local', '', '');

-- The floods that were told and are not over.
create table prefsvc.mail_flood (
    brand_id integer not null,
    origin   text not null,
    spell_id uuid not null,
    began_at timestamptz not null,
    constraint mail_flood_pkey primary key (brand_id, origin)
);
select prefsvc.distribute('mail_flood', 'local', '', '');

-- A flood is about no sender.
alter table prefsvc.alarm
    -- squawk-ignore ban-drop-not-null
    alter column sender_id drop not null,
    -- squawk-ignore ban-drop-constraint
    drop constraint alarm_step_is_known,
    add constraint alarm_step_is_known
        check (step in ('half', 'four_fifths', 'target', 'overdue', 'violation', 'recovery', 'mail_flood'))
        not valid,
    add constraint alarm_is_about_a_sender check ((sender_id is null) = (step = 'mail_flood')) not valid;
