-- By what each process is declared; and disputes are found from their payments, intents from what they are about.
-- Runs beside: 8

create table process_rules (
    process text primary key,
    digest text not null               -- of the rules its steps are made by, when all that it may concern was last decided
);
create index object_to_link_all on object (kind, id)
    where linked <> version and kind in ('credit_note', 'dispute', 'intent', 'payment', 'refund');
update object set linked = 0 where kind = 'dispute';
