-- Facts that two systems tell of: which of their things follows which, by the word of the one that names the other.
-- Runs beside: 8

alter table link add column named_by text not null default '';  -- of a fact told twice: the id of the one that names the other
create index link_by_name on link (kind, named_by) where named_by <> '';
