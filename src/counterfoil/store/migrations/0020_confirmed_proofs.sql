-- A difference is told when a second proof finds it again: what differed in the last one.
-- Runs beside: 1

alter table proof add column suspects text[] not null default '{}';   -- the source's ids
