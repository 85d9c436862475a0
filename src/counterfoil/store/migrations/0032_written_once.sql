-- Rows are written once: what was fetched for a receipt stands beside it, and no index says what another one says.
-- Runs beside: 8

-- What was fetched for receipts, kept so that a replay is exact: it comes after the receipt, whose row is not written again for it.
create table receipt_fetched (
    received_at timestamptz not null,  -- the receipt's
    id bigint not null,
    key_id text not null,
    data bytea not null,
    primary key (received_at, id)
) partition by range (received_at);
create table receipt_fetched_default partition of receipt_fetched default;

-- A program of before writes it into the receipt's row: it is put where it is looked for. What was there before stays, and counts as long as
-- nothing stands here.
create function receipt_fetched_apart() returns trigger language plpgsql as $$
begin
    insert into receipt_fetched (received_at, id, key_id, data) values (new.received_at, new.id, new.fetched_key_id, new.fetched)
        on conflict (received_at, id) do update set key_id = excluded.key_id, data = excluded.data;
    new.fetched_key_id := old.fetched_key_id;
    new.fetched := old.fetched;
    return new;
end $$;
create trigger receipt_fetched_apart before update of fetched on receipt
    for each row when (new.fetched is not null and new.fetched is distinct from old.fetched) execute function receipt_fetched_apart();

-- The legal entity of an object is that of what was wished for it: it is read from there, and its row is not written again for it.
drop index object_by_entity;

-- The current binding of a key is found, target by target, by what makes it the only one; a former one by an index over those alone.
alter table binding drop constraint binding_pkey;
drop index binding_by_key;
create index binding_past on binding (key) where until is not null;

-- No list of pending entries: each look-up would read it, and every entry of it was written twice.
alter index object_by_lookup set (fastupdate = off);
select gin_clean_pending_list('object_by_lookup');
