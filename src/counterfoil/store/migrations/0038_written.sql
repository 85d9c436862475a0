-- What was written of a thing at a connection that tells of it, too: so that what comes back from there is known as the hub's own.
-- Runs beside: 8

create table written (
    connection text not null,
    kind text not null,
    id text not null,
    seen bigint not null default 0,              -- the newest place in the connection's order at which it told what was written
    contents jsonb not null default '[]',        -- the last contents, oldest first: whose, when, and of each field a keyed digest
    primary key (connection, kind, id)
);
