-- What is written with each event for the sake of look-ups that people make now and then is less: those find the same another way.
-- Runs beside: 8

-- The tries of a command are found by where and since when it was sent, not each by each of its commands.
drop index attempt_by_command;
create index attempt_by_place on attempt (target, batch_key, started_at);

-- Events are kept in the order of their receipts: a summary of each few pages finds them.
drop index event_by_receipt;
create index event_by_receipt on event using brin (receipt_id) with (pages_per_range = 16, autosummarize = on);

-- A document's number is bound to what it is of, and found there.
drop index command_standing_by_name;

-- Nobody asks for what is encrypted, or for parts of lists but by their indexes: what is known of such columns fills the statistics, which are
-- written anew each time a tenth of a table has come.
alter table receipt alter column body set statistics 0, alter column fetched set statistics 0;
alter table receipt_fetched alter column data set statistics 0;
alter table receipt_bundle alter column ids set statistics 0;
alter table event alter column data set statistics 0;
alter table object alter column data set statistics 0, alter column digest set statistics 0, alter column lookup set statistics 0;
alter table command_body alter column arguments set statistics 0;
alter table claim alter column data set statistics 0;
alter table attempt alter column command_ids set statistics 0, alter column request_digest set statistics 0;
alter table sending alter column command_ids set statistics 0;
alter table agenda_bundle alter column subjects set statistics 0;
