-- The rules that shape bookings are releases: proposed, approved, released, and never changed after that.
-- Runs beside: 8

-- Version by version. Of those released and not withdrawn whose effective_from has come, the greatest is in force.
create table rules_release (
    version bigint primary key,
    body text not null,                             -- JSON as it was digested
    digest text not null,                           -- hexadecimal SHA-256 of the body
    origin text not null check (origin in ('start', 'file', 'rollback')),
    base bigint not null,                           -- the version in force when it was proposed; 0: none
    note text not null default '',
    proposed_by text not null,
    proposed_at timestamptz not null,
    approved_by text not null default '',
    approved_at timestamptz,
    released_by text not null default '',
    released_at timestamptz,
    effective_from timestamptz,                     -- null: from its release on
    withdrawn_by text not null default '',
    withdrawn_at timestamptz,
    applied_at timestamptz                          -- when the first worker began to decide by it
);
-- One proposal at a time: two of them, each whole, would undo each other.
create unique index rules_release_open on rules_release ((true)) where released_at is null and withdrawn_at is null;

create function rules_release_stays() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or (old.released_at is not null and (
        new.version, new.body, new.digest, new.origin, new.base, new.note, new.proposed_by, new.proposed_at, new.approved_by,
        new.approved_at, new.released_by, new.released_at, new.effective_from
    ) is distinct from (
        old.version, old.body, old.digest, old.origin, old.base, old.note, old.proposed_by, old.proposed_at, old.approved_by,
        old.approved_at, old.released_by, old.released_at, old.effective_from
    )) or (new.body, new.digest) is distinct from (old.body, old.digest) then
        raise exception 'rules release % is not changed any more', old.version using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger rules_release_stays before update or delete on rules_release for each row execute function rules_release_stays();

-- What people map, change by change: with the release in force it makes the rules of a version. Written by whoever writes the mapping.
create table mapping_change (
    version bigint not null,
    kind text not null,
    entity text not null,
    key text not null,
    value text not null,
    set_at timestamptz not null,
    set_by text not null,
    primary key (kind, entity, key, version)
);
insert into mapping_change select version, kind, entity, key, value, set_at, set_by from mapping;

create function mapping_change_kept() returns trigger language plpgsql as $$
begin
    insert into mapping_change values (new.version, new.kind, new.entity, new.key, new.value, new.set_at, new.set_by)
        on conflict do nothing;
    return null;
end $$;
create trigger mapping_change_kept after insert or update on mapping for each row execute function mapping_change_kept();

-- The version a command carries: a release with the mappings as they were then.
create table rules_version (
    version bigint primary key,
    release bigint not null,
    mappings bigint not null,                       -- the version of the latest mapping; 0: none was ever set
    unique (release, mappings)
);
