-- Whoever is to be compared next is found without reading all that are to be compared.
-- Runs beside: 8

create index match_due_in_order on match_due ((not asks), seq);
