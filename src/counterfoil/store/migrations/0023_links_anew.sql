-- What an older program changed after its links were written is linked anew: such a program leaves the links as they are.
-- Runs beside: 8

alter table object add column linked integer not null default 0;  -- the version of which the links were written
drop index object_to_link;
create index object_to_link_anew on object (kind, id) where linked <> version and kind in ('credit_note', 'payment', 'refund');
