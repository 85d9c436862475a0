-- Writes that were in doubt may be done late, over what a newer one did: what is to be sent again when they no longer can be.
-- Runs beside: 7

-- One row per command that was in doubt and whose late effect could undo a newer one. Instants are by the hub's clock.
create table recheck (
    command_id uuid primary key,
    created_at timestamptz not null,   -- the command's
    target text not null,
    batch_key text not null,
    noted_at timestamptz not null,     -- when it was last in doubt
    due_at timestamptz,                -- when the newest command on the same thing is sent again; null: a case is open about it
    tries integer not null default 0,
    fence integer not null default 0   -- raised by every doubt and every try: whoever comes with a former number changes nothing
);
create index recheck_due on recheck (target, batch_key, due_at) where due_at is not null;
