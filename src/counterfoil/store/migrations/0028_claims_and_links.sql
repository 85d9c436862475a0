-- What several sources say of one thing is kept apart (claim), and what was merged into what, since when and why (link).
-- An object that one source tells of is its own claim, in its own row: nothing is rewritten, and nothing is written twice.
-- Runs beside: 8

create table claim (
    kind text not null,
    id text not null,
    connection text not null,         -- who says it
    account text not null default '',
    sequence bigint not null,
    merge_said bigint,
    last_event uuid,
    occurred_at timestamptz not null,
    updated_at timestamptz not null,
    key_id text not null,
    data bytea not null,
    primary key (kind, id, connection)
);

alter table object
    add column claimed integer not null default 0,  -- the version of which its claims were written; 0: it is its only claim itself
    add column merge_said bigint;                   -- the place of the newest fact that says what it was merged into, or that it was not

create table link (
    kind text not null,
    id text not null,                 -- the thing that is linked
    golden text not null,             -- the id of what it was linked to
    why text not null,                -- merged
    connection text not null,         -- who says so
    since timestamptz not null,
    until timestamptz,
    primary key (kind, id, since, golden)
);
create index link_to on link (kind, golden) where until is null;
