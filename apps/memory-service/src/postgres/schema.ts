import { columnsOf } from "../store/tables.ts";

const COLUMNS = columnsOf({ integer: "bigint", real: "double precision", bytes: "bytea" });

/** Tables of tenants. Each row has its tenant first in every key, and is seen by transactions of that tenant alone. */
export const TENANT_TABLES: readonly string[] = [
  "fragment",
  "embedding",
  "embedding_job",
  "share_grant",
  "memory_event",
  "request",
  "setting",
  "term_count",
  "corpus",
];

const TENANT = "tenant_id text not null default current_setting('memory.tenant')";
const OF_FRAGMENT = "foreign key (tenant_id, seq) references fragment (tenant_id, seq) on delete cascade";

const TABLES = `
create table fragment (
  ${TENANT},
  seq bigint generated always as identity,${COLUMNS.fragment},
  terms tsvector generated always as (
    setweight(to_tsvector('english', text), 'A') || setweight(to_tsvector('english', context), 'B')) stored,
  primary key (tenant_id, seq),
  unique (tenant_id, id),
  unique (tenant_id, user_id, conversation, position),
  foreign key (tenant_id, superseded_by) references fragment (tenant_id, seq) on delete set null (superseded_by)
);
create index fragment_by_time on fragment (tenant_id, created_at desc, id desc);
create index fragment_by_owner on fragment (tenant_id, user_id, level, created_at desc, id desc);
create index fragment_by_hash on fragment (tenant_id, user_id, hash);
create index fragment_by_newer on fragment (tenant_id, superseded_by) where superseded_by is not null;
create index fragment_by_terms on fragment using gin (terms);
create table embedding (${TENANT},${COLUMNS.embedding},
  primary key (tenant_id, seq, model),
  ${OF_FRAGMENT}
);
create index embedding_by_model on embedding (tenant_id, model, seq);
create table embedding_job (
  ${TENANT},
  id bigint generated always as identity,${COLUMNS.embeddingJob},
  primary key (tenant_id, id),
  unique (tenant_id, seq, model, version),
  ${OF_FRAGMENT}
);
create index embedding_job_by_due on embedding_job (tenant_id, state, due_at);
create table share_grant (${TENANT},${COLUMNS.shareGrant},
  primary key (tenant_id, seq, grantee_tenant, grantee_user),
  ${OF_FRAGMENT}
);
create index share_grant_by_grantee on share_grant (tenant_id, grantee_tenant, grantee_user, seq);
create table memory_event (
  ${TENANT},
  seq bigint generated always as identity,${COLUMNS.memoryEvent},
  primary key (tenant_id, seq),
  foreign key (tenant_id, fragment_seq) references fragment (tenant_id, seq) on delete set null (fragment_seq)
);
create index memory_event_by_fragment on memory_event (tenant_id, fragment_seq);
create index memory_event_by_owner on memory_event (tenant_id, owner, seq desc);
create index memory_event_by_conversation on memory_event (tenant_id, conversation_key, at)
  where conversation_key is not null;
create table request (${TENANT},${COLUMNS.request},
  primary key (tenant_id, key_hash)
);
create index request_by_age on request (tenant_id, at);
create table setting (${TENANT},${COLUMNS.setting}, primary key (tenant_id, name));
create table term_count (${TENANT}, lexeme text not null, documents bigint not null, primary key (tenant_id, lexeme));
create table corpus (${TENANT}, documents bigint not null, words bigint not null, primary key (tenant_id));
`;

/** Keeps the word statistics of each tenant in the transaction of its fragments. */
const STATISTICS = `
create function count_terms() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then
    update term_count t set documents = t.documents - 1 from unnest(old.terms) l
      where t.tenant_id = old.tenant_id and t.lexeme = l.lexeme;
    delete from term_count t using unnest(old.terms) l
      where t.tenant_id = old.tenant_id and t.lexeme = l.lexeme and t.documents <= 0;
    update corpus set documents = documents - 1, words = words - length(old.terms) where tenant_id = old.tenant_id;
  end if;
  if tg_op <> 'DELETE' then
    insert into term_count as t (tenant_id, lexeme, documents) select new.tenant_id, l.lexeme, 1 from unnest(new.terms) l
      on conflict (tenant_id, lexeme) do update set documents = t.documents + 1;
    insert into corpus as c (tenant_id, documents, words) values (new.tenant_id, 1, length(new.terms))
      on conflict (tenant_id) do update set documents = c.documents + 1, words = c.words + excluded.words;
  end if;
  return null;
end $$;
create trigger fragment_terms after insert or delete or update of text, context on fragment
  for each row execute function count_terms();
`;

const SECURITY = TENANT_TABLES.map(
  (table) => `
alter table ${table} enable row level security;
alter table ${table} force row level security;
create policy own_tenant on ${table} using (tenant_id = current_setting('memory.tenant'))
  with check (tenant_id = current_setting('memory.tenant'));`,
).join("");

/** Statements that bring an empty schema to each version. Published ones never change; new steps are appended. */
export const STEPS: readonly string[] = [TABLES + STATISTICS + SECURITY];
