-- Sending under fire: tries are fenced, a target that is away is known as such, and what it can bear is shared by all workers.
-- Runs beside: 3

alter table command add column fence integer not null default 0;   -- raised by every try: a stale worker's report carries a former number

-- Whether a connection can be sent to. Instants are by the hub's clock.
create table standing (
    connection text primary key,
    down_since timestamptz,            -- null: it can be sent to
    up_at timestamptz,                 -- when it last came back
    is_refused boolean not null default false,    -- it refuses our key or rights; else it is away
    is_by_sending boolean not null default false, -- sending found it so, and only sending clears it
    code text not null default '',
    words text not null default '',
    tries integer not null default 0,  -- looks at it in vain
    next_try_at timestamptz,           -- when one worker looks at it again
    real_time_at timestamptz           -- when real-time work for it was last seen, to half a minute
);

-- Rate, slots, pauses and breaker of a connection, one row each, changed by comparing the version. Instants in it are by the database's clock.
create table budget (
    connection text primary key,
    version bigint not null,
    state jsonb not null,
    changed_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
