-- Customers are found from those they were merged into, companies from the customers they are: what older programs left unlinked is linked anew.
-- Runs beside: 8

create index object_to_link_each on object (kind, id)
    where linked <> version and kind in ('company', 'credit_note', 'customer', 'dispute', 'intent', 'payment', 'refund');
update object set linked = 0 where kind = 'company' or (kind = 'customer' and last_type = 'customer.merged');
