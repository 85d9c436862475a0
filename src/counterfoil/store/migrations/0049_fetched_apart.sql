-- What was fetched for receipts goes with them, whichever program takes them: with what it erases, and with what it encrypts anew.
-- Runs beside: 8

-- What stands in a receipt's own row is from before schema 32. Encrypted anew it is put beside it and is gone from the row, where it would be
-- found under its former key for ever; what was fetched since then counts more. An older program fetches again only what it is told to.
create or replace function receipt_fetched_apart() returns trigger language plpgsql as $$
begin
    if old.fetched is null or old.must_fetch then
        insert into receipt_fetched (received_at, id, key_id, data) values (new.received_at, new.id, new.fetched_key_id, new.fetched)
            on conflict (received_at, id) do update set key_id = excluded.key_id, data = excluded.data;
    else
        insert into receipt_fetched (received_at, id, key_id, data) values (new.received_at, new.id, new.fetched_key_id, new.fetched)
            on conflict (received_at, id) do nothing;
    end if;
    new.fetched_key_id := '';
    new.fetched := null;
    return new;
end $$;

-- A program of before erases a receipt's body and knows nothing that stands beside it. After the statement: today's programs delete it in theirs.
create function receipt_fetched_erased() returns trigger language plpgsql as $$
begin
    delete from receipt_fetched where received_at = new.received_at and id = new.id;
    return null;
end $$;
create trigger receipt_fetched_erased after update of key_id on receipt
    for each row when (new.key_id = '' and old.key_id <> '') execute function receipt_fetched_erased();

delete from receipt_fetched f using receipt r where r.received_at = f.received_at and r.id = f.id and r.key_id = '';
