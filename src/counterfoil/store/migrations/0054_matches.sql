-- Customers that may be one are found as they come: by the keys each bears, and with what was asked of whom.
-- Runs beside: 8

-- One row for each customer, with all its keys: keyed digests, of which nothing can be read. Empty: it is none to be compared.
create table match_key (
    id text primary key,
    version integer not null,
    digested_by text not null,                   -- the key the digests are made by
    keys bigint[] not null,                      -- by which it is found
    counted bigint[] not null                    -- of what many bear: only counted
);
-- Without a list of what is still to be put in: whoever asks would have to read all of that.
create index match_key_by_key on match_key using gin (keys) with (fastupdate = off);
-- How often each key is borne is read from a part of the rows; what lies beside them is not looked at.
alter table match_key alter column keys set statistics 0, alter column counted set statistics 0;

-- Customers that say otherwise who they are, written with what they say.
create table match_due (
    seq bigint generated always as identity primary key,
    id text not null,
    asks boolean not null                        -- whether people are asked; else what is found is only noted
);

-- Two customers that are, or may be, one; the one whose id comes first first.
create table match_pair (
    one text not null,
    other text not null,
    answer text not null,                        -- empty: none yet; apart: people say they are two; linked: the hub linked them
    found_at timestamptz not null,
    entity text not null default '',
    key_id text not null default '',
    found bytea,                                 -- what was found, encrypted; null: they were told apart before anybody compared them
    primary key (one, other),
    check (one < other)
);
create index match_pair_by_other on match_pair (other);

-- Keys that many bear, with about how many.
create table match_often (
    key bigint primary key,
    count bigint not null
);

create table match_sweep (
    name text primary key,                       -- all
    place text not null default '',              -- the last id that was looked at
    swept_at timestamptz,
    counted bigint not null default 0,           -- rows of match_key when they were last counted
    added bigint not null default 0,             -- since
    counted_at timestamptz
);
