-- Many workers: who they are, who holds which partition, and what is to be taken with care.
-- Runs beside: 2

create sequence worker_incarnation as bigint;

alter table worker
    add column name text not null default '',
    add column incarnation bigint not null default 0,   -- a new one with every start, and with every return of one that was declared dead
    add column drains integer not null default 0;       -- under way when it was last heard of

alter table work
    add column holder bigint not null default 0,        -- the incarnation that took the partition last
    add column fence bigint not null default 0,         -- raised by every take: whoever comes with an older one changes nothing
    add column taken_at timestamptz,
    add column begun integer not null default 0,        -- turns begun since the last one that ended well, the one under way included
    add column care integer not null default 0,         -- at most so many items at once, after turns that did not end well; 0: any number
    add column pause_until timestamptz;                 -- armed, but without a drain until then
create index work_paused on work (pause_until) where pause_until is not null;

-- Items that were in hand when a careful turn died or failed, and how often.
create table suspect (
    stage text not null,
    item text not null,
    tries integer not null,
    since timestamptz not null,
    primary key (stage, item)
);
