-- Which worker runs which partition stands in the partition's own row; no library's tables beside it say the same again.
-- Programs of before go on by the tables of their engine (schema dbos), which stay for them.
-- Runs beside: 8

alter table work
    add column claimed_by text,                         -- the worker whose drain runs it, or null
    add column claim_fence bigint not null default 0;   -- the fence of its last turn: another than the row's, and somebody else took it
