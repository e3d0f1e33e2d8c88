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
CREATE INDEX traces_by_start ON traces (tenant, started_at DESC, id DESC);
CREATE INDEX traces_by_state ON traces (tenant, state, started_at DESC, id DESC);
CREATE INDEX traces_by_error ON traces (tenant, error_code, started_at DESC, id DESC) WHERE error_code IS NOT NULL;
CREATE INDEX traces_by_age ON traces (last_at, id);
CREATE INDEX events_by_trace ON events (trace, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('traces',1);
INSERT INTO "sqlite_sequence" VALUES('events',3);
INSERT INTO "sqlite_sequence" VALUES('bindings',1);
COMMIT;
