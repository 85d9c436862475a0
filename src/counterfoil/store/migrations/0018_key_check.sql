-- A known word under every key the hub has written with: a key of the same name that is another one is found at the start, before it
-- writes payloads nobody could tell apart from the former key's.
-- Runs beside: 1
create table key_check (
    key_id text primary key,
    envelope bytea not null,
    noted_at timestamptz not null default clock_timestamp()
);
