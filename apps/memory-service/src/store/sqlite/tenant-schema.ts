import { columnsOf } from "../tables.ts";

const COLUMNS = columnsOf({ integer: "integer", real: "real", bytes: "blob" });
const OF_FRAGMENT = "foreign key (seq) references fragment (seq) on delete cascade";

/** Tables of a tenant's file, version by version. Published statements never change; new steps are appended. */
export const TENANT_SCHEMA: readonly string[] = [
  `create table fragment (
     seq integer primary key autoincrement,${COLUMNS.fragment},
     unique (id),
     foreign key (superseded_by) references fragment (seq) on delete set null
   ) strict;
   create unique index fragment_by_place on fragment (user_id, conversation, position) where conversation is not null;
   create index fragment_by_time on fragment (created_at desc, id desc);
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
   create table embedding (${COLUMNS.embedding}, primary key (seq, model), ${OF_FRAGMENT}) strict;
   create index embedding_by_model on embedding (model, seq);
   create table embedding_job (
     id integer primary key autoincrement,${COLUMNS.embeddingJob},
     unique (seq, model, version),
     ${OF_FRAGMENT}
   ) strict;
   create table share_grant (${COLUMNS.shareGrant},
     primary key (seq, grantee_tenant, grantee_user),
     ${OF_FRAGMENT}
   ) strict;
   create index share_grant_by_grantee on share_grant (grantee_tenant, grantee_user, seq);
   create table memory_event (
     seq integer primary key autoincrement,${COLUMNS.memoryEvent},
     foreign key (fragment_seq) references fragment (seq) on delete set null
   ) strict;
   create index memory_event_by_fragment on memory_event (fragment_seq);
   create index memory_event_by_owner on memory_event (owner, seq desc);
   create index memory_event_by_conversation on memory_event (conversation_key, at) where conversation_key is not null;
   create table request (${COLUMNS.request}, primary key (key_hash)) strict;
   create index request_by_age on request (at);
   create table setting (${COLUMNS.setting}, primary key (name)) strict;`,
];
