-- Nothing waits without an owner: which keys nobody is making, and since when something waits by the database's own clock.
-- Runs beside: 7

-- A dependency key that commands wait for and no open command makes; gone again as soon as somebody does.
create table missing_key (
    target text not null,
    key text not null,
    noted_at timestamptz not null default clock_timestamp(),
    primary key (target, key)
);
-- The hub's clock may be moved, by hours in a moment: what waits must also have waited for a while in the world.
alter table wait add column begun_at timestamptz not null default clock_timestamp();
create index command_maker on command (target, produces) where produces <> '' and state in ('waiting', 'ready', 'unknown', 'parked');
