-- A trial of a target belongs to a worker and ends with it: others had to wait out the minute of one that died or lost the database.
-- Runs beside: 6

alter table standing add column tried_by text not null default '';   -- the worker that looks at it, '' if none is known
alter table standing add column tried_until timestamptz;             -- a claim is one as long as this is next_try_at: any news end it
