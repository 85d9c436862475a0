-- Subjects that are decided again at an instant, whatever happens before: weeks ahead, and nothing but this row while they wait.
-- Apart from the agenda, so that what waits is neither read nor counted with what is to be decided now, and so that a program of before,
-- which takes a subject off the agenda when it has decided it, drops no deadline.
-- Runs beside: 1

create table deadline (
    kind text not null,
    id text not null,
    due_at timestamptz not null,       -- by the hub's clock
    primary key (kind, id)
);
create index deadline_due on deadline (due_at);
