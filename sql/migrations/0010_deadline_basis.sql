-- What deadlines are counted by, kept once for all the opt-outs that share it: its id is a digest of the document,
-- and the ledger's rows, which are sealed, name it.
create table prefsvc.deadline_basis (
    basis_id text not null,
    document jsonb not null,
    kept_at  timestamptz not null,
    constraint deadline_basis_pkey primary key (basis_id)
);
select prefsvc.distribute('deadline_basis', 'reference', '', '');
