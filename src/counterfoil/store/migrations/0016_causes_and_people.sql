-- One case per cause, customers found by name, sources that cannot be read, deliveries refused at the door.
-- Runs beside: 8

alter table case_subject add column concerns text not null default '';  -- the document (kind/id) its money is of; '': the record's own
alter table case_subject add column detail text not null default '';    -- what was said of this record alone; nothing about a person

-- Keyed digests of a customer's name and e-mail, and the version of the object they were made of. No index on the latter: it changes with
-- every version, and who looks for what is behind goes through customers by their key.
alter table object add column lookup text[] not null default '{}';
alter table object add column looked_up integer not null default 0;
create index object_by_lookup on object using gin (lookup) where lookup <> '{}';

-- A source that could not be read at its last try. Instants are by the hub's clock.
create table reading (
    connection text primary key,
    since timestamptz not null,        -- of the first try in vain
    tried_at timestamptz not null,
    is_refused boolean not null,       -- it refuses our key or rights; else it is away
    code text not null,
    words text not null
);

-- Deliveries refused at the door, by connection and reason: a wrong signing secret, mostly. Bounded by both.
create table refused_delivery (
    connection text not null,          -- '': the address named none we have
    code text not null,
    total bigint not null,
    since_accepted bigint not null,    -- of them since the connection last took a delivery
    first_at timestamptz not null,     -- of those
    last_at timestamptz not null,
    primary key (connection, code)
);
