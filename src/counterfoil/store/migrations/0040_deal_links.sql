-- Deals are found from the documents they name: what older programs left unlinked is linked anew.
-- Runs beside: 8

create index object_to_link_found on object (kind, id)
    where linked <> version and kind in ('company', 'credit_note', 'customer', 'deal', 'dispute', 'intent', 'payment', 'refund');
update object set linked = 0 where kind = 'deal';
