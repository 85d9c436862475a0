-- The first schema: log, objects, outbox, cases. Bodies and canonical data are AES-GCM ciphertext (column pairs *, key_id).
-- Receipts, events, commands, attempts and audit are partitioned by month from the start, so that retention is a DROP.
-- A partitioned table cannot hold a key that is unique over all time, so compact key tables beside them do.

create type receipt_state as enum ('pending', 'normalized', 'ignored', 'parked');
create type command_state as enum ('waiting', 'ready', 'unknown', 'done', 'parked', 'canceled');
create type case_state as enum ('open', 'resolved', 'waived');

create sequence receipt_id_seq as bigint;
create sequence command_seq as bigint;

-- One row for every delivery ever accepted: this is what makes a second delivery a duplicate.
create table receipt_key (
    connection text not null,
    key_hash bytea not null,          -- 16-byte digest of the dedupe key
    receipt_id bigint not null,
    received_at timestamptz not null,
    primary key (connection, key_hash)
);

create table receipt (
    id bigint not null,
    received_at timestamptz not null,
    connection text not null,
    account text not null default '',
    kind text not null,
    dedupe_key text not null,
    shard smallint not null,
    shard_key text not null,
    lane smallint not null default 10,
    state receipt_state not null default 'pending',
    rule text not null default '',     -- why ignored, or the code it was parked with
    occurred_at timestamptz not null,
    api_version text not null default '',
    headers jsonb not null default '{}',
    attempts smallint not null default 0,
    must_fetch boolean not null default false,   -- a tie was seen: the object is to be re-read before normalizing
    next_try_at timestamptz,
    normalized_at timestamptz,
    key_id text not null,
    body bytea not null,
    fetched_key_id text not null default '',
    fetched bytea,                     -- what was fetched for it before normalizing; kept so that a replay is exact
    primary key (received_at, id)
) partition by range (received_at);
create index receipt_pending on receipt (connection, shard, lane, id) where state = 'pending';
create index receipt_due on receipt (connection, shard, next_try_at) where state = 'pending' and next_try_at is not null;
create index receipt_by_id on receipt (id);
create index receipt_by_kind on receipt (connection, kind, received_at);

create table event (
    id uuid not null,
    received_at timestamptz not null,  -- the receipt's, so that normalizing twice meets the same primary key
    receipt_id bigint,
    type text not null,
    version smallint not null,
    connection text not null,
    account text not null default '',
    entity text not null default '',
    subject_kind text not null,
    subject_id text not null,
    occurred_at timestamptz not null,
    sequence bigint not null,
    correlation_id text not null default '',
    causation_id text not null default '',
    merged text not null default '',   -- applied, unchanged, stale
    key_id text not null,
    data bytea not null,
    primary key (received_at, id)
) partition by range (received_at);
create index event_by_subject on event (subject_id, subject_kind);
create index event_by_receipt on event (receipt_id);

create table object (
    kind text not null,
    id text not null,
    connection text not null,
    account text not null default '',
    entity text not null default '',
    version integer not null,
    sequence bigint not null,
    digest bytea not null,
    last_event uuid,
    last_type text not null default '',
    occurred_at timestamptz not null,
    updated_at timestamptz not null,
    customer_id text not null default '',
    state text not null default '',
    total_minor bigint,
    currency text not null default '',
    key_id text not null,
    data bytea not null,
    primary key (kind, id)
);
create index object_by_customer on object (customer_id) where customer_id <> '';
create index object_by_account on object (account);
create index object_by_source_id on object (substr(id, strpos(id, ':') + 1));
create index object_by_entity on object (entity, kind, state);

-- Subjects that are to be decided (again). A row is deleted by the decision that has seen its last_seq.
create table agenda (
    kind text not null,
    id text not null,
    shard smallint not null,
    lane smallint not null default 10,
    seq bigint generated always as identity,
    added_at timestamptz not null,
    not_before timestamptz,
    primary key (kind, id)
);
create index agenda_by_shard on agenda (shard, lane, seq);

-- Two crowds that must not overlap lock these empty tables in modes that exclude each other but not themselves:
-- writers of objects and mappings (ROW EXCLUSIVE) against those who start to wait for one (SHARE), and
-- wishers of commands (ROW EXCLUSIVE) against those who bind what a command needs (SHARE). So neither misses the other.
create table arrival_latch ();
create table binding_latch ();

-- What an undecided subject waits for: an object (kind/id) or a mapping (mapping/kind/entity/key).
create table wait (
    key text not null,
    subject_kind text not null,
    subject_id text not null,
    seen_version integer not null default 0,   -- the version of the object or mapping that was not enough; 0: there was none
    since timestamptz not null,
    fetch_asked boolean not null default false,
    primary key (key, subject_kind, subject_id)
);
create index wait_by_subject on wait (subject_kind, subject_id);
create index wait_to_fetch on wait (since) where not fetch_asked;
create index wait_by_age on wait (since);

create table command_key (
    id uuid primary key,
    created_at timestamptz not null
);

create table command (
    id uuid not null,
    created_at timestamptz not null,
    seq bigint not null default nextval('command_seq'),
    kind text not null,
    target text not null,
    entity text not null,
    batch_key text not null,
    order_key text not null default '',
    lane smallint not null,
    subject_kind text not null,
    subject_id text not null,
    external_key text not null,
    produces text not null default '',
    needs text[] not null default '{}',
    missing smallint not null default 0,
    state command_state not null,
    not_before timestamptz,
    next_try_at timestamptz,
    attempts smallint not null default 0,
    in_doubt boolean not null default false,     -- sent, and not known whether it took effect: to be resolved, never sent again as it is
    sent_at timestamptz,               -- intent: committed before anything is sent; from then on the state is unknown until an outcome settles it
    done_at timestamptz,
    external_id text not null default '',
    external_name text not null default '',
    code text not null default '',
    reason text not null default '',
    rules_version integer not null default 0,
    causation_id text not null default '',
    content text not null default '',  -- digest of what the source said: a later change must not pass unnoticed
    key_id text not null,
    arguments bytea not null,
    primary key (created_at, id)
) partition by range (created_at);
create index command_ready on command (target, batch_key, lane, seq) where state in ('ready', 'unknown');
create index command_open on command (state) where state not in ('done', 'canceled');
create index command_by_id on command (id);
create index command_by_subject on command (subject_id, subject_kind);
create index command_by_external on command (external_key, target);
create index command_by_name on command (external_name) where external_name <> '';
create index command_in_order on command (target, batch_key, order_key, seq) where order_key <> '' and state in ('waiting', 'ready', 'unknown');
create index command_due on command (target, batch_key, next_try_at) where state in ('ready', 'unknown') and next_try_at is not null;

create table command_need (
    target text not null,
    key text not null,
    command_id uuid not null,
    created_at timestamptz not null,   -- the command's
    primary key (target, key, command_id)
);
create index command_need_by_command on command_need (command_id);

create table binding (
    connection text not null,
    key text not null,                 -- dependency key: <document kind>/<canonical id>
    external_id text not null,
    external_name text not null default '',
    since timestamptz not null,
    until timestamptz,
    primary key (connection, key, external_id, since)
);
create unique index binding_current on binding (connection, key) where until is null;
create index binding_by_external on binding (external_id, connection);
create index binding_by_key on binding (key);
create index binding_by_name on binding (external_name) where external_name <> '';

create table attempt (
    id bigint generated always as identity,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    target text not null,
    batch_key text not null,
    kind text not null,
    size integer not null,
    is_resolution boolean not null default false,
    request_digest bytea not null,
    done integer not null,
    refused integer not null,
    unknown integer not null,
    retried integer not null,
    command_ids uuid[] not null,
    detail text not null default '',
    primary key (started_at, id)
) partition by range (started_at);
create index attempt_by_command on attempt using gin (command_ids);

create table "case" (
    id bigint generated always as identity primary key,
    fingerprint text not null,         -- same cause, same case while open
    class text not null,
    code text not null,
    cause text not null,
    next_step text not null,
    entity text not null default '',
    connection text not null default '',
    owner text not null,
    impact text not null,
    money_minor bigint,
    currency text not null default '',
    state case_state not null default 'open',
    opened_at timestamptz not null,
    due_at timestamptz not null,
    closed_at timestamptz,
    closed_by text not null default '',
    reason text not null default '',
    count integer not null default 1,
    releases_on text not null default ''
);
create unique index case_open on "case" (fingerprint) where state = 'open';

create table case_subject (
    case_id bigint not null references "case" (id),
    stage text not null,               -- normalize, decide, deliver, poll
    subject text not null,             -- receipt id, kind/id of an object, command id, connection
    label text not null default '',
    money_minor bigint,
    currency text not null default '',
    added_at timestamptz not null,
    released_at timestamptz,
    primary key (case_id, stage, subject)
);
create index case_subject_by_subject on case_subject (stage, subject) where released_at is null;
create index case_to_release on "case" (releases_on) where state = 'open' and releases_on <> '';

create table case_history (
    case_id bigint not null references "case" (id),
    at timestamptz not null,
    actor text not null,
    action text not null,
    detail text not null default ''
);
create index case_history_by_case on case_history (case_id, at);

create table mapping (
    kind text not null,                -- tax, product, account, route
    entity text not null,
    key text not null,
    value text not null,
    version integer not null,
    set_at timestamptz not null,
    set_by text not null,
    primary key (kind, entity, key)
);
create sequence rules_version_seq as integer;

create table cursor (
    connection text not null,
    stream text not null,
    cursor text not null,
    covers_until timestamptz,
    recoverable_since timestamptz,
    state text not null default '',
    read_count bigint not null default 0,
    updated_at timestamptz not null,
    primary key (connection, stream)
);

create table target_state (
    connection text not null,
    entity text not null,
    version text not null,
    locked_until date,
    checked_at timestamptz not null,
    primary key (connection, entity)
);

-- Facts of entities in summary mode, waiting for their day to close, and the list of documents behind every entry.
create table summary_item (
    entity text not null,
    day date not null,
    currency text not null,
    item_key text not null,            -- digest: the same fact accumulates once
    subject text not null,             -- kind/id of the object whose decision made it
    document_id text not null,
    account text not null,
    product_group text not null default '',
    tax text not null default '',
    customer_id text not null default '',
    amount_minor bigint not null,
    number integer,                    -- which entry of that day took it; null: not yet
    added_at timestamptz not null,
    primary key (entity, day, currency, item_key)
);
create index summary_by_subject on summary_item (subject);
create index summary_open on summary_item (entity, day, currency) where number is null;

-- Arming of drains: a partition of a stage has work while work_seq > claimed_seq. Comparing the pair in the finishing
-- statement cannot lose a row that commits while the drain finishes.
create table work (
    stage text not null,
    key text not null,
    work_seq bigint not null,
    claimed_seq bigint not null default 0,
    armed boolean not null,
    armed_seq bigint not null,         -- the work_seq that armed it: equal to work_seq only for the one who has to enqueue a drain
    armed_at timestamptz not null,
    wake_at timestamptz,               -- arm it then, even if nothing new comes (a retry or a poll is due); the engine's real time
    primary key (stage, key)
) with (fillfactor = 50);
create index work_to_wake on work (wake_at) where wake_at is not null;

create table audit (
    at timestamptz not null,
    id bigint generated always as identity,
    actor text not null,
    action text not null,
    subject text not null,
    detail jsonb not null default '{}',
    primary key (at, id)
) partition by range (at);

create table worker (
    id text primary key,
    host text not null,
    version text not null,
    started_at timestamptz not null,
    beat_at timestamptz not null
);

-- Months are made ahead by the hub; the default partitions catch what lies outside, so that intake never fails for a missing month.
create table receipt_default partition of receipt default;
create table event_default partition of event default;
create table command_default partition of command default;
create table attempt_default partition of attempt default;
create table audit_default partition of audit default;
