-- What was booked stays as it was booked: documents are summed up once, modes are remembered, lock dates have a kind.
-- Runs beside: 8

-- One row per document that was summed up, written with its items: no day, account, tax or entity that changes later makes a second set.
create table summary_document (
    document_id text primary key,
    content text not null default '',   -- digest of what the source said: a later change must not pass unnoticed; '' if it was not kept
    booked text not null default '',    -- an invoice's or credit note's lines as booked (canonical JSON), without anybody's name
    added_at timestamptz not null
);
insert into summary_document (document_id, added_at) select document_id, min(added_at) from summary_item group by 1;

-- Sets of items that came after a document's first one and that no entry has taken are set aside: entry 0, which is never posted.
update summary_item i set number = 0
from summary_document d where d.document_id = i.document_id and i.added_at > d.added_at and i.number is null;

-- How entities have booked so far: a posting mode is changed from a day on, so that nothing is booked twice or left open.
create table booked_mode (
    entity text not null,
    mode text not null,
    since timestamptz not null,
    primary key (entity, mode)
);
insert into booked_mode (entity, mode, since) select entity, 'summary', min(added_at) from summary_item group by 1;
insert into booked_mode (entity, mode, since)
select entity, 'detailed', min(created_at) from command
where kind in ('post_invoice', 'post_credit_note', 'post_payment', 'post_entry') and subject_kind <> 'journal_entry' and state <> 'canceled'
group by 1;

-- Last locked days by what they concern; locked_until is what holds for everything.
alter table target_state add column sales_locked_until date;   -- customers' invoices and credit notes
alter table target_state add column taxed_locked_until date;   -- what carries taxes
