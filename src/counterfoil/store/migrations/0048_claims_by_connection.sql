-- What a connection says is found by it: of one that was renamed, or is no more.
-- Runs beside: 8

create index claim_by_connection on claim (connection, kind, id);
