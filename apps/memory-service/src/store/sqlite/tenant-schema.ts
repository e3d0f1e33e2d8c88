import { CHECKS } from "../tables.ts";

/** Tables of a tenant's file, version by version. Published statements never change; new steps are appended. */
export const TENANT_SCHEMA: readonly string[] = [
  `create table fragment (
     seq integer primary key autoincrement,
     id text not null unique,
     user_id text not null,
     conversation text,
     position integer,
     text text not null check (${CHECKS.text}),
     context text not null default '',
     role text not null check (${CHECKS.role}),
     source text,
     hash text not null,
     level text not null check (${CHECKS.level}),
     grant_key text not null default '',
     said_at integer not null,
     created_at integer not null,
     superseded_by integer references fragment (seq) on delete set null,
     request_key text,
     version integer not null default 1,
     strength real not null default 0 check (${CHECKS.strength}),
     reinforced_at integer,
     recalled_at integer,
     unique (user_id, conversation, position)
   ) strict;
   create index fragment_by_time on fragment (created_at desc, id desc);
   create index fragment_by_owner on fragment (user_id, level, created_at desc, id desc);
   create index fragment_by_hash on fragment (user_id, hash);
   create index fragment_by_newer on fragment (superseded_by) where superseded_by is not null;
   create virtual table fragment_fts using fts5 (
     text, context, content = 'fragment', content_rowid = 'seq', tokenize = 'porter unicode61 remove_diacritics 2');
   insert into fragment_fts (fragment_fts, rank) values ('secure-delete', 1);
   create trigger fragment_inserted after insert on fragment begin
     insert into fragment_fts (rowid, text, context) values (new.seq, new.text, new.context);
   end;
   create trigger fragment_deleted after delete on fragment begin
     insert into fragment_fts (fragment_fts, rowid, text, context) values ('delete', old.seq, old.text, old.context);
   end;
   create trigger fragment_changed after update of text, context on fragment begin
     insert into fragment_fts (fragment_fts, rowid, text, context) values ('delete', old.seq, old.text, old.context);
     insert into fragment_fts (rowid, text, context) values (new.seq, new.text, new.context);
   end;
   create table embedding (
     seq integer not null references fragment (seq) on delete cascade,
     model text not null,
     version integer not null,
     vector blob not null,
     primary key (seq, model)
   ) strict;
   create index embedding_by_model on embedding (model, seq);
   create table embedding_job (
     id integer primary key autoincrement,
     seq integer not null references fragment (seq) on delete cascade,
     model text not null,
     version integer not null,
     state text not null default 'waiting' check (${CHECKS.jobState}),
     attempts integer not null default 0,
     due_at integer not null,
     lease_until integer,
     error text,
     unique (seq, model, version)
   ) strict;
   create index embedding_job_by_due on embedding_job (state, due_at);
   create table share_grant (
     seq integer not null references fragment (seq) on delete cascade,
     grantee_tenant text not null,
     grantee_user text not null,
     created_at integer not null,
     expires_at integer,
     primary key (seq, grantee_tenant, grantee_user)
   ) strict;
   create index share_grant_by_grantee on share_grant (grantee_tenant, grantee_user, seq);
   create table memory_event (
     seq integer primary key autoincrement,
     fragment_seq integer references fragment (seq) on delete set null,
     owner text not null,
     actor text not null,
     at integer not null,
     trace_id text not null,
     type text not null check (${CHECKS.eventType}),
     conversation_key text,
     detail text not null
   ) strict;
   create index memory_event_by_fragment on memory_event (fragment_seq);
   create index memory_event_by_owner on memory_event (owner, seq desc);
   create index memory_event_by_conversation on memory_event (conversation_key, at) where conversation_key is not null;
   create table request (
     key_hash text primary key,
     user_id text not null,
     body_hash text,
     answer text not null,
     at integer not null
   ) strict;
   create index request_by_age on request (at);
   create table setting (name text primary key, value text not null) strict;`,
];
