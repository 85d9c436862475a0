-- Documents are found by their numbers: what is still to be digested of those that older programs wrote.
-- Runs beside: 8

create index object_to_number on object (kind, id) where lookup = '{}' and kind in ('credit_note', 'invoice');
