-- Which schema a worker's program was made for: some things people decide, and some rules, are for programs that know them.
-- Runs beside: 8

alter table worker add column schema integer not null default 0;  -- the newest migration its program knows; 0: it is of before this one
