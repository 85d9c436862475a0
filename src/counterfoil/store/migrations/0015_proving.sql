-- Proofs made by themselves: when each group of sources and books was last proven, and how that ended.
-- Runs beside: 8

create table proof (
    name text primary key,             -- the entities of the group
    due_at timestamptz not null,       -- when it is proven next, by the hub's clock
    proven_at timestamptz,             -- when it was read last
    differences integer not null default 0
);
