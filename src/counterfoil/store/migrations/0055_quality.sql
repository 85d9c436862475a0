-- How good what is known of customers is: counted once a day, and kept, so that it can be seen which way it goes.
-- Runs beside: 8

-- Where the count of a day stands.
create table quality_scan (
    name text primary key,                       -- all
    day date not null,
    place text not null                          -- the last id that was looked at
);

create table quality_day (
    day date primary key,                        -- in UTC
    ended_at timestamptz                         -- null: it is being counted
);

create table quality_count (
    day date not null references quality_day (day) on delete cascade,
    measure text not null,                       -- customers: of how many it is
    entity text not null,                        -- empty: no route leads anywhere
    owner text not null,
    count bigint not null,
    examples text[] not null,                    -- the keys of some
    primary key (day, measure, entity, owner)
);
