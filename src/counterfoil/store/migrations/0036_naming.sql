-- What each source says that a thing of its own is the same as, in its own order: an older word never wins, also over "the same as none".
-- Links show what stands; here is who said what last, and how late.
-- Runs beside: 8

create table naming (
    kind text not null,
    id text not null,                 -- the thing whose source says it
    connection text not null,         -- who says it
    named text not null,              -- the id it is said to be the same as; empty: as none
    sequence bigint not null,         -- the place of the word in its source's order of states
    said_at timestamptz not null,
    primary key (kind, id, connection)
);

-- What was said before this, as far as the links show it: the last link by each name, and of one that ended that the thing is the same as none.
insert into naming (kind, id, connection, named, sequence, said_at)
select distinct on (kind, named_by, connection) kind, named_by, connection,
    case when until is not null then '' when id = named_by then golden else id end,
    (extract(epoch from greatest(since, until)) * 1000000)::bigint, greatest(since, until)
from link where named_by <> '' order by kind, named_by, connection, until is null desc, greatest(since, until) desc;
