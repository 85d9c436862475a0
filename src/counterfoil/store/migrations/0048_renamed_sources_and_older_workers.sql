-- What a connection says is found by it: of one that was renamed, or is no more. And no worker joins whose program does not know what the rules say.
-- Runs beside: 8

create index claim_by_connection on claim (connection, kind, id);

-- A program of before schema 47 says no schema. It would leave out what it does not know of the rules in force, and nobody would see it.
create function worker_knows_its_rules() returns trigger language plpgsql as $$
declare
    said jsonb;
begin
    if new.schema = 0 then
        select body::jsonb into said from rules_release
            where released_at is not null and withdrawn_at is null and (effective_from is null or effective_from <= clock_timestamp())
            order by version desc limit 1;
        if said ? 'dunning' or said ? 'ownership' or said->'destinations' @> '[{"purpose": "crm_status"}]' then
            raise exception 'this program is older than the rules in force, which say dunning, ownership or crm_status: start a newer version'
                using errcode = 'restrict_violation';
        end if;
    end if;
    return new;
end $$;
create trigger worker_knows_its_rules before insert on worker for each row execute function worker_knows_its_rules();
