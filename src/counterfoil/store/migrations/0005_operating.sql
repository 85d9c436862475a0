-- What a hub that was put back to an earlier state must learn again before it posts: which of its external keys the books hold already.
-- Runs beside: 4

-- One row per target that was marked by a restore. Nothing is delivered to it before learned_at is set.
create table relearning (
    target text primary key,
    state_of timestamptz,              -- what the hub knows of ends here: the time of the backup; null: not known
    marked_at timestamptz not null,
    cursor text not null default '',   -- the connector's place in its list of what the target holds
    read_count bigint not null default 0,
    is_blind boolean not null default false,  -- the target cannot list what it holds: every wish starts in doubt
    learned_at timestamptz,
    sources_read_at timestamptz,       -- every source was read up to marked_at
    caught_up_at timestamptz           -- and what that brought is decided: days may be closed again
);

-- What the target holds under our keys and the hub does not know as done. A wish with such a key starts in doubt.
create table target_known (
    target text not null,
    external_key text not null,
    external_id text not null,
    primary key (target, external_key)
);
