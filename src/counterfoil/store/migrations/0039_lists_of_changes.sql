-- Sources that tell their changes in several lists: each has its own place, and one that fails waits while the others are read.
-- Runs beside: 8

alter table cursor add column is_read boolean not null default true;  -- false: a list that is read no more, or that an older program read together with others

-- What could not be read at its last try, list by list; gone with the next reading that goes well. An older program writes "reading" instead.
create table unread (
    connection text not null,
    stream text not null,              -- as in "cursor": poll, poll/NAME or listen
    since timestamptz not null,        -- of the first try in vain
    tried_at timestamptz not null,
    again_at timestamptz not null,     -- not tried before, while others of the connection are read
    is_all boolean not null,           -- nothing else of the connection could be read
    is_refused boolean not null,       -- it refuses our key or rights; else it is away
    code text not null,
    words text not null,
    primary key (connection, stream)
);
insert into unread select connection, 'poll', since, tried_at, tried_at, true, is_refused, code, words from reading;
