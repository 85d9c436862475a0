-- Documents to which the same was done at about the same time are one case.
-- Runs beside: 1

alter table watched add column change text not null default '';   -- the gravest of how it differs; '': it does not
alter table watched add column changed_at timestamptz;            -- since when that was seen
create index watched_changed on watched (target, changed_at) where changed_at is not null;
