-- What people were told: which case through which channel, and channels that could not be reached.
-- Runs beside: 8

create table notice (
    channel text not null,
    case_id bigint not null references "case" (id),
    told_at timestamptz not null,
    overdue_told_at timestamptz,       -- when it was told once more, since nobody had done anything in time
    recovered_told_at timestamptz,     -- when it was told that it is over, with all others that were
    primary key (channel, case_id)
);
create index notice_standing on notice (channel) where recovered_told_at is null;

create table notify_channel (
    channel text primary key,
    sent_at timestamptz,               -- the last message that was taken
    failing_since timestamptz,         -- null: the last one was taken
    tries integer not null default 0,
    next_try_at timestamptz,
    code text not null default ''      -- why it failed; never an address
);
