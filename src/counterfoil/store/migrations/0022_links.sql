-- Objects are found from those they name: the refunds of a payment, the payments and credit notes of an invoice.
-- Runs beside: 8

-- Digests of the objects that this one names and that are decided in view of it; null: not written yet, by a program that knows none.
alter table object add column links text[];
-- No list of pending entries: every decision of a payment looks here, and would read that list each time.
create index object_by_link on object using gin (links) with (fastupdate = off) where links <> '{}';
create index object_to_link on object (kind, id) where links is null and kind in ('credit_note', 'payment', 'refund');
