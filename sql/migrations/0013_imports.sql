-- Imports of opt-outs that a company had before: what was read, and how far each bucket has come.

-- A list that is imported. Its id is a digest of its brand and name; a file without a name is named by its own digest.
create table prefsvc.import (
    import_id    uuid not null,
    brand_id     integer not null,
    name         text not null,
    -- How the list is read, where it does not say so itself.
    reading      jsonb not null,
    begun_at     timestamptz not null,
    -- The API key, or the account at the command line.
    begun_by     text not null,
    -- Up to which line it was read, and the digest of all lines up to there: another list cannot go on under its name.
    line         bigint not null,
    lines_sha256 bytea not null,
    finished_at  timestamptz,
    -- Once it is finished: how many rows were refused, and why; what else is to be told.
    refused      jsonb not null,
    notes        jsonb not null,
    constraint import_pkey primary key (import_id),
    constraint import_lines_count_up check (line >= 0)
);
select prefsvc.distribute('import', 'local', '', '');
create index import_newest_first on prefsvc.import (brand_id, begun_at desc, import_id desc);

-- How far an import has come in a bucket: its rows up to this line are recorded. It moves in the transaction that
-- records them, so that each is recorded once, whenever and wherever the import goes on.
create table prefsvc.import_place (
    bucket    smallint not null,
    import_id uuid not null,
    line      bigint not null,
    -- What came of the rows, by channel.
    counts    jsonb not null,
    constraint import_place_pkey primary key (bucket, import_id)
);
select prefsvc.distribute('import_place', 'distributed', 'bucket', 'feed_head');

-- The first rows that were refused: where they stand and why, never what stood there.
create table prefsvc.import_refusal (
    import_id uuid not null,
    line      bigint not null,
    why       text not null,
    constraint import_refusal_pkey primary key (import_id, line)
);
select prefsvc.distribute('import_refusal', 'local', '', '');
