-- What was wished is written once (command_body); how it stands is a narrow row of its own (command_standing), which also makes its id the only
-- one. A batch that is being sent is one row (sending), not a change of each of its commands.
-- Runs beside: 8

-- Older programs work on: nothing of theirs may change between the copy and the change of the tables.
lock table command in access exclusive mode;
lock table command_key, command_need in access exclusive mode;

drop view work_lag;

create table command_standing (
    id uuid primary key,                         -- over all time: a command is wished once
    created_at timestamptz not null,
    seq bigint not null default nextval('command_seq'),
    target text not null default '',
    batch_key text not null default '',
    order_key text not null default '',
    lane smallint not null default 0,
    state command_state not null default 'canceled',
    waits_for text not null default '',          -- waiting: a key it needs that was not bound when that was last looked at
    is_aside boolean not null default false,     -- waiting behind many others: not looked at before that key is bound
    in_doubt boolean not null default false,     -- sent, and not known whether it took effect: to be resolved, never sent again as it is
    attempts smallint not null default 0,        -- of tries that ended; one that is under way is in ``sending``
    fence integer not null default 0,            -- the number of the last try that ended
    next_try_at timestamptz,
    sent_at timestamptz,
    done_at timestamptz,
    external_id text not null default '',
    external_name text not null default '',
    code text not null default '',
    reason text not null default ''
) with (fillfactor = 85);

insert into command_standing (id, created_at, seq, target, batch_key, order_key, lane, state, waits_for, in_doubt, attempts, fence, next_try_at,
    sent_at, done_at, external_id, external_name, code, reason)
select c.id, c.created_at, c.seq, c.target, c.batch_key, c.order_key, c.lane, c.state,
    case when c.state = 'waiting' then coalesce((select min(n.key) from command_need n where n.command_id = c.id), '') else '' end,
    c.in_doubt, c.attempts, c.fence, c.next_try_at, c.sent_at, c.done_at, c.external_id, c.external_name, c.code, c.reason
from command c;

-- What is not over, in the order it is sent in; what is aside comes after all of its partition.
create index command_standing_open on command_standing (target, batch_key, is_aside, lane, seq) where state not in ('done', 'canceled');
create index command_standing_in_order on command_standing (target, batch_key, order_key, seq)
    where order_key <> '' and state in ('waiting', 'ready', 'unknown');
create index command_standing_due on command_standing (target, batch_key, next_try_at)
    where next_try_at is not null and state in ('waiting', 'ready', 'unknown');
create index command_standing_waits on command_standing (target, waits_for) where state = 'waiting';
create index command_standing_by_name on command_standing (external_name) where external_name <> '';

-- Of what waits in a partition the first thousand are looked at with each claim, as of what is wished from now on (lacking.LOOKED_AT_MAX).
update command_standing s set is_aside = true
from (select id, row_number() over (partition by target, batch_key order by seq) as place from command_standing where state = 'waiting') w
where s.id = w.id and w.place > 1000;

-- A batch under way: written with the intent, before anything is sent, and deleted with its outcome. What its worker did not live to settle
-- is in doubt, and becomes so in its own row when somebody takes it up.
create table sending (
    id bigint generated always as identity primary key,
    target text not null,
    batch_key text not null,
    started_at timestamptz not null,
    command_ids uuid[] not null
);

drop table command_key;
alter table command rename to command_body;
alter table command_body
    drop column state, drop column missing, drop column next_try_at, drop column attempts, drop column in_doubt, drop column sent_at,
    drop column done_at, drop column external_id, drop column external_name, drop column code, drop column reason, drop column fence;
drop index command_by_id;
create index command_producing on command_body (produces, target) where produces <> '';

-- What is asked of commands as a whole, and what programs before this schema know. ``state`` is what is written; one under way, or one that
-- waits for what is bound by now, is told by store/outbox.py.
create view command_key as select id, created_at from command_standing;
create view command as
select b.id, b.created_at, s.seq, b.kind, b.target, b.entity, b.batch_key, b.order_key, b.lane, b.subject_kind, b.subject_id, b.external_key,
    b.produces, b.needs, (select count(*) from command_need n where n.command_id = s.id)::smallint as missing, s.state, b.not_before,
    s.next_try_at, s.attempts, s.in_doubt, s.sent_at, s.done_at, s.external_id, s.external_name, s.code, s.reason, b.rules_version,
    b.causation_id, b.content, b.key_id, b.arguments, s.fence, s.waits_for
from command_body b join command_standing s on s.id = b.id and s.created_at = b.created_at;

-- The first key of those that is not bound in a target; '' if all are.
create function first_unbound(target text, needs text[]) returns text language sql stable as $$
    select coalesce((
        select n.key from unnest(needs) with ordinality as n(key, place)
        where not exists (select from binding b where b.connection = target and b.key = n.key and b.until is null offset 0)
        order by n.place limit 1), '')
$$;

-- Programs before this schema insert the key, then the command.
create function command_wished_before() returns trigger language plpgsql as $$
begin
    insert into command_body (id, created_at, seq, kind, target, entity, batch_key, order_key, lane, subject_kind, subject_id, external_key,
        produces, needs, not_before, rules_version, causation_id, content, key_id, arguments)
    values (new.id, new.created_at, coalesce(new.seq, nextval('command_seq')), new.kind, new.target, new.entity, new.batch_key,
        coalesce(new.order_key, ''), new.lane, new.subject_kind, new.subject_id, new.external_key, coalesce(new.produces, ''),
        coalesce(new.needs, '{}'), new.not_before, coalesce(new.rules_version, 0), coalesce(new.causation_id, ''),
        coalesce(new.content, ''), new.key_id, new.arguments);
    insert into command_standing (id, created_at, seq, target, batch_key, order_key, lane, state, waits_for, in_doubt, next_try_at)
    values (new.id, new.created_at, coalesce(new.seq, currval('command_seq')), new.target, new.batch_key, coalesce(new.order_key, ''),
        new.lane, new.state, case when new.state = 'waiting' then first_unbound(new.target, new.needs) else '' end,
        coalesce(new.in_doubt, false), new.next_try_at)
    on conflict (id) do update set seq = excluded.seq, target = excluded.target, batch_key = excluded.batch_key,
        order_key = excluded.order_key, lane = excluded.lane, state = excluded.state, waits_for = excluded.waits_for,
        in_doubt = excluded.in_doubt, next_try_at = excluded.next_try_at;
    return new;
end $$;
create trigger command_wished_before instead of insert on command for each row execute function command_wished_before();

-- They change a command only as they saw it. One that a newer program is sending is put in doubt instead, as if that one had died of it: it is
-- changed by the next who sees it so; done is always taken.
create function command_changed_before() returns trigger language plpgsql as $$
declare
    flight sending;
begin
    if new.state <> 'done' and old.state in ('waiting', 'ready', 'unknown') then
        -- As newer programs do (store/sending.py): nobody begins to send here meanwhile.
        perform pg_advisory_xact_lock(x'0C0F0008'::int, hashtext(old.target || '/' || old.batch_key));
        select * into flight from sending s where s.target = old.target and s.batch_key = old.batch_key and old.id = any(s.command_ids);
        if found then
            delete from sending s where s.id = flight.id;
            update command_standing c set state = 'unknown', in_doubt = true, sent_at = flight.started_at, attempts = c.attempts + 1,
                fence = c.fence + 1, next_try_at = null, waits_for = '', is_aside = false
            where c.id = any(flight.command_ids) and c.state in ('waiting', 'ready', 'unknown');
            return null;
        end if;
    end if;
    if new.arguments is distinct from old.arguments or new.key_id is distinct from old.key_id then
        update command_body b set arguments = new.arguments, key_id = new.key_id where b.created_at = old.created_at and b.id = old.id;
    end if;
    update command_standing c set state = new.state, in_doubt = new.in_doubt, attempts = new.attempts, fence = new.fence,
        next_try_at = new.next_try_at, sent_at = new.sent_at, done_at = new.done_at, external_id = new.external_id,
        external_name = new.external_name, code = new.code, reason = new.reason, is_aside = false,
        waits_for = case when new.state = 'waiting' then first_unbound(old.target, old.needs) else '' end
    where c.id = old.id and (c.state, c.fence, c.attempts) = (old.state, old.fence, old.attempts);
    if found then
        return new;
    end if;
    return null;
end $$;
create trigger command_changed_before instead of update on command for each row execute function command_changed_before();

create function command_deleted_before() returns trigger language plpgsql as $$
begin
    delete from command_body b where b.created_at = old.created_at and b.id = old.id;
    return old;
end $$;
create trigger command_deleted_before instead of delete on command for each row execute function command_deleted_before();

-- As in 0006, by the index that open commands are sent by.
create view work_lag as
with armed as (
    select split_part(stage, '_', 1) as stage, split_part(key, '/', 1) as head, substr(key, strpos(key, '/') + 1) as tail, armed_at
    from work where armed and stage in ('normalize', 'normalize_bulk', 'decide', 'decide_bulk', 'deliver')
), lane (lane) as (
    values (10::smallint), (20::smallint), (30::smallint), (40::smallint)
), oldest (stage, lane, since) as (
    select armed.stage, lane.lane, greatest(found.received_at, found.next_try_at, armed.armed_at)
    from armed cross join lane cross join lateral (
        select received_at, next_try_at from receipt
        where connection = armed.head and shard = armed.tail::smallint and receipt.lane = lane.lane and state = 'pending'
            and (next_try_at is null or next_try_at <= clock_timestamp())
        order by id limit 1
    ) found where armed.stage = 'normalize'
    union all
    select armed.stage, lane.lane, greatest(found.added_at, found.not_before, armed.armed_at)
    from armed cross join lane cross join lateral (
        select added_at, not_before from agenda
        where shard = armed.tail::smallint and agenda.lane = lane.lane and (not_before is null or not_before <= clock_timestamp())
        order by seq limit 1
    ) found where armed.stage = 'decide'
    union all
    select armed.stage, lane.lane, greatest(found.created_at, found.next_try_at, armed.armed_at)
    from armed cross join lane cross join lateral (
        select s.created_at, s.next_try_at from command_standing s
        where s.target = armed.head and s.batch_key = armed.tail and not s.is_aside and s.lane = lane.lane
            and s.state not in ('done', 'canceled') and (s.next_try_at is null or s.next_try_at <= clock_timestamp())
            and (s.state in ('ready', 'unknown') or (s.state = 'waiting' and exists (
                select from binding b where b.connection = s.target and b.key = s.waits_for and b.until is null offset 0)))
        order by s.seq limit 1
    ) found where armed.stage = 'deliver'
)
select stage, lane, greatest(0, extract(epoch from clock_timestamp() - min(since)))::float8 as seconds from oldest group by stage, lane;
