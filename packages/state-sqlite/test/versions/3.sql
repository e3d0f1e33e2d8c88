BEGIN TRANSACTION;
CREATE TABLE bindings (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     trace INTEGER NOT NULL,
     node TEXT NOT NULL,
     agent_url TEXT NOT NULL,
     task_id TEXT NOT NULL,
     context_id TEXT,
     UNIQUE (trace, node, agent_url, task_id)
   ) STRICT;
INSERT INTO "bindings" VALUES(1,1,'remote','https://agent.example','1',NULL);
CREATE TABLE events (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     trace INTEGER NOT NULL,
     kind TEXT NOT NULL,
     at REAL NOT NULL,
     node TEXT,
     payload TEXT NOT NULL
   ) STRICT;
INSERT INTO "events" VALUES(1,1,'trace_start',1760000000001.0,NULL,'{"type":"trace_start","flow":"orders","number":1}');
INSERT INTO "events" VALUES(2,1,'node_start',1760000000002.0,'pack','{"type":"node_start","flow":"orders","number":2}');
INSERT INTO "events" VALUES(3,1,'trace_end',1760000000004.0,NULL,'{"type":"trace_end","flow":"orders","number":3,"status":"failed","error":{"name":"FlowError","message":"too slow","code":"NODE_TIMEOUT","node":"pack"}}');
CREATE TABLE journal_counts (
     partition INTEGER NOT NULL,
     node TEXT NOT NULL,
     count INTEGER NOT NULL,
     PRIMARY KEY (partition, node)
   ) STRICT, WITHOUT ROWID;
INSERT INTO "journal_counts" VALUES(1,'a',20);
CREATE TABLE journal_entries (
     partition INTEGER NOT NULL,
     run INTEGER NOT NULL,
     tenant TEXT NOT NULL,
     trace_id TEXT NOT NULL,
     status TEXT NOT NULL,
     version INTEGER NOT NULL,
     state TEXT NOT NULL,
     checksum INTEGER NOT NULL, due_at REAL,
     PRIMARY KEY (partition, run)
   ) STRICT;
INSERT INTO "journal_entries" VALUES(1,16,'ada','t16','open',1,'{"run":16,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',2598504865,NULL);
INSERT INTO "journal_entries" VALUES(1,17,'ada','t17','open',1,'{"run":17,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',3427374762,NULL);
INSERT INTO "journal_entries" VALUES(1,18,'ada','t18','open',1,'{"run":18,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',1856356161,NULL);
INSERT INTO "journal_entries" VALUES(1,19,'ada','t19','open',1,'{"run":19,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',940449866,NULL);
INSERT INTO "journal_entries" VALUES(1,20,'ada','t20','open',1,'{"run":20,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',3583499682,NULL);
INSERT INTO "journal_entries" VALUES(1,21,'ada','t21','open',1,'{"run":21,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',2201764521,NULL);
INSERT INTO "journal_entries" VALUES(1,22,'ada','t22','open',1,'{"run":22,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',2025907124,NULL);
INSERT INTO "journal_entries" VALUES(1,23,'ada','t23','open',1,'{"run":23,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',778796223,NULL);
INSERT INTO "journal_entries" VALUES(1,24,'ada','t24','open',1,'{"run":24,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',1414047695,NULL);
INSERT INTO "journal_entries" VALUES(1,25,'ada','t25','open',1,'{"run":25,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',48445636,NULL);
INSERT INTO "journal_entries" VALUES(1,26,'ada','t26','open',1,'{"run":26,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',4179597785,NULL);
INSERT INTO "journal_entries" VALUES(1,27,'ada','t27','open',1,'{"run":27,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',2947811026,NULL);
INSERT INTO "journal_entries" VALUES(1,28,'ada','t28','open',1,'{"run":28,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',223883065,NULL);
INSERT INTO "journal_entries" VALUES(1,29,'ada','t29','open',1,'{"run":29,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',1542697010,NULL);
INSERT INTO "journal_entries" VALUES(1,30,'ada','t30','open',1,'{"run":30,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',1108586421,NULL);
CREATE TABLE journal_logs (
     partition INTEGER NOT NULL,
     run INTEGER NOT NULL,
     at INTEGER NOT NULL,
     items TEXT NOT NULL,
     checksum INTEGER NOT NULL,
     PRIMARY KEY (partition, run, at)
   ) STRICT;
INSERT INTO "journal_logs" VALUES(1,16,0,'["one"]',4224026481);
CREATE TABLE journal_partitions (
     id INTEGER PRIMARY KEY,
     name TEXT NOT NULL UNIQUE,
     public_id TEXT NOT NULL,
     epoch INTEGER NOT NULL,
     sequence INTEGER NOT NULL,
     owner TEXT NOT NULL,
     lease_ms REAL NOT NULL,
     ends_at REAL NOT NULL
   ) STRICT;
INSERT INTO "journal_partitions" VALUES(1,'orders','6d3c1f0e-5b7a-4c52-9d0e-2f6f5c1b8a40',1,2,'one',1000.0,0.0);
CREATE TABLE journal_positions (
     partition INTEGER NOT NULL,
     lane INTEGER NOT NULL,
     sequence INTEGER NOT NULL,
     PRIMARY KEY (partition, lane)
   ) STRICT, WITHOUT ROWID;
INSERT INTO "journal_positions" VALUES(1,0,2);
CREATE TABLE kept_outcomes (
     partition INTEGER NOT NULL,
     run INTEGER NOT NULL,
     tenant TEXT NOT NULL,
     trace_id TEXT NOT NULL,
     version INTEGER NOT NULL,
     state TEXT NOT NULL,
     expires_at REAL NOT NULL,
     checksum INTEGER NOT NULL,
     PRIMARY KEY (partition, run)
   ) STRICT;
CREATE TABLE log_items (
     log INTEGER NOT NULL,
     at INTEGER NOT NULL,
     item TEXT NOT NULL,
     PRIMARY KEY (log, at)
   ) STRICT;
INSERT INTO "log_items" VALUES(1,0,'"one"');
CREATE TABLE logs (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     tenant TEXT NOT NULL,
     name TEXT NOT NULL,
     first INTEGER NOT NULL,
     length INTEGER NOT NULL,
     UNIQUE (tenant, name)
   ) STRICT;
INSERT INTO "logs" VALUES(1,'ada','thread',0,1);
CREATE TABLE totals (traces INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
INSERT INTO "totals" VALUES(1,248);
CREATE TABLE traces (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     tenant TEXT NOT NULL,
     trace_id TEXT NOT NULL,
     flow TEXT,
     state TEXT,
     started_at REAL,
     last_at REAL NOT NULL,
     node TEXT,
     error_code TEXT,
     events INTEGER NOT NULL DEFAULT 0,
     bytes INTEGER NOT NULL DEFAULT 0,
     UNIQUE (tenant, trace_id)
   ) STRICT;
INSERT INTO "traces" VALUES(1,'ada','t','orders','failed',1760000000001.0,1760000000004.0,'pack','NODE_TIMEOUT',3,248);
CREATE TABLE versions (version INTEGER PRIMARY KEY, since TEXT NOT NULL) STRICT;
INSERT INTO "versions" VALUES(1,'2026-11-21 11:47:54');
INSERT INTO "versions" VALUES(2,'2026-11-21 13:18:41');
INSERT INTO "versions" VALUES(3,'2026-11-29 23:20:00');
CREATE INDEX events_by_trace ON events (trace, id);
CREATE INDEX traces_by_age ON traces (last_at, id);
CREATE INDEX traces_by_error ON traces (tenant, error_code, started_at DESC, id DESC) WHERE error_code IS NOT NULL;
CREATE INDEX traces_by_start ON traces (tenant, started_at DESC, id DESC);
CREATE INDEX traces_by_state ON traces (tenant, state, started_at DESC, id DESC);
CREATE INDEX journal_entries_by_due ON journal_entries (partition, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX journal_entries_by_trace ON journal_entries (partition, trace_id, run) WHERE due_at IS NOT NULL;
CREATE INDEX journal_entries_by_tenant ON journal_entries (partition, tenant, run) WHERE due_at IS NOT NULL;
CREATE INDEX kept_outcomes_by_id ON kept_outcomes (partition, tenant, trace_id);
CREATE INDEX kept_outcomes_by_expiry ON kept_outcomes (partition, expires_at, run);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('traces',1);
INSERT INTO "sqlite_sequence" VALUES('events',3);
INSERT INTO "sqlite_sequence" VALUES('bindings',1);
INSERT INTO "sqlite_sequence" VALUES('logs',1);
COMMIT;
