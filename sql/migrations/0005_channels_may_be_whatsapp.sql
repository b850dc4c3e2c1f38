-- WhatsApp is a channel of its own (docs/decisions/0005-whatsapp-and-rcs.md).
-- Whatever is stored passed the narrower checks, so nothing is scanned while these locks are held;
-- 0007 validates, when no lock stands in anybody's way.
alter table prefsvc.sender
    -- squawk-ignore ban-drop-constraint
    drop constraint sender_channel_is_known,
    add constraint sender_channel_is_known
        check (channel in ('email', 'sms', 'whatsapp', 'post')) not valid;
alter table prefsvc.review
    -- squawk-ignore ban-drop-constraint
    drop constraint review_channel_is_known,
    add constraint review_channel_is_known
        check (channel in ('email', 'sms', 'whatsapp', 'post')) not valid;
alter table prefsvc.preference_event
    -- squawk-ignore ban-drop-constraint
    drop constraint preference_event_channel_is_known,
    add constraint preference_event_channel_is_known
        check (channel in ('email', 'sms', 'whatsapp', 'post')) not valid;
