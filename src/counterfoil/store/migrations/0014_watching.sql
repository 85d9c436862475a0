-- What people do in the books to documents the hub posted: how each was first read, and how it differs since.
-- Runs beside: 8

-- One row per document (or customer) of a target that the hub posted. Instants are by the hub's clock.
create table watched (
    target text not null,
    document text not null,                 -- the target's own id, as bindings have it
    noted_at timestamptz not null,          -- when it was last noted as changed, or missed by a sweep
    due_at timestamptz,                     -- when it is looked at; null: nothing to look at
    is_read boolean not null default false, -- whether it was read since it was posted; the next five columns are how
    partner text not null default '',
    lines text not null default '',
    total_minor bigint,
    currency text not null default '',
    dated date,
    differs text not null default '',       -- digest of how it differs from that; '': it does not
    accepted text not null default '',      -- the digest a person accepted
    again text not null default '',         -- what the hub can do again on a retry: 'post', 'match'; '': nothing
    successor text not null default '',     -- a customer: the contact it was merged into
    primary key (target, document)
);
create index watched_due on watched (target, due_at) where due_at is not null;
create index watched_merged on watched (target) where successor <> '';

-- Where the sweep over everything bound stands: what is gone leaves no trace in a target's changes.
create table sweep (
    target text primary key,
    after_key text not null default '',
    round_at timestamptz not null           -- when the round under way began; the next one is counted from it
);

-- What produced a binding, and the matches made with it (a match needs first its debit, then its credit).
create index command_done on command (produces, target) where state = 'done' and produces <> '';
create index command_match_debit on command ((needs[1]), target) where kind in ('allocate', 'unmatch');
create index command_match_credit on command ((needs[2]), target) where kind in ('allocate', 'unmatch');
