-- How long the oldest work that is ready waits, by stage and lane: what workers are scaled by. Stages and lanes without any have no row.
-- Probes the head of each armed partition by the indexes the stages claim with, so a long backlog costs no more than a short one.
-- A row put back (a replay, a retried case) counts from when its partition had work again, not from when it first came.
-- Runs beside: 4
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
    select armed.stage, lane.lane, greatest(found.created_at, found.not_before, found.next_try_at, armed.armed_at)
    from armed cross join lane cross join lateral (
        select created_at, not_before, next_try_at from command
        where target = armed.head and batch_key = armed.tail and command.lane = lane.lane and state in ('ready', 'unknown')
            and (not_before is null or not_before <= clock_timestamp()) and (next_try_at is null or next_try_at <= clock_timestamp())
        order by seq limit 1
    ) found where armed.stage = 'deliver'
)
select stage, lane, greatest(0, extract(epoch from clock_timestamp() - min(since)))::float8 as seconds from oldest group by stage, lane;
