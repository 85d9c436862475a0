-- What came in bulk is worked by partitions of its own: what lies there already is armed for them, and who waits keeps its lane.
-- Runs beside: 4
alter table wait add column lane smallint not null default 10;

insert into work (stage, key, work_seq, armed, armed_seq, armed_at)
select distinct 'normalize_bulk', connection || '/' || shard, 1, true, 1, clock_timestamp() from receipt where state = 'pending' and lane >= 30
on conflict do nothing;

insert into work (stage, key, work_seq, armed, armed_seq, armed_at)
select distinct 'decide_bulk', shard::text, 1, true, 1, clock_timestamp() from agenda where lane >= 30
on conflict do nothing;

-- An order to read kept receipts again: single ones, or those of a connection received in [since, until), of some kinds and states.
create table replay (
    id bigint generated always as identity primary key,
    connection text not null default '',
    ids bigint[] not null default '{}',
    since timestamptz,
    until timestamptz,
    kinds text[] not null default '{}',
    states text[] not null,
    must_fetch boolean not null,
    rate integer not null default 0,           -- receipts a second at most; 0: as many as come
    total bigint not null,                     -- how many it was to be when it was ordered
    ordered_by text not null,
    ordered_at timestamptz not null,
    state text not null default 'running' check (state in ('running', 'stopped', 'done')),
    place bigint not null default 0,           -- the last receipt read again: a replay goes on after it
    read_count bigint not null default 0,
    changed_count bigint not null default 0,   -- objects that changed by it
    next_at timestamptz,                       -- by the hub's clock, for the rate: not before
    updated_at timestamptz not null
);
create index replay_running on replay (id) where state = 'running';
