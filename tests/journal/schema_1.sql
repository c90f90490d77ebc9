BEGIN TRANSACTION;
CREATE TABLE commands (
        sequence INTEGER PRIMARY KEY, event_sequence INTEGER NOT NULL REFERENCES events, model_id TEXT NOT NULL,
        client_order_id TEXT, kind TEXT NOT NULL, body TEXT NOT NULL);
INSERT INTO "commands" VALUES(1,3,'volume_17_31',NULL,'signal.raised','{"kind":"signal.raised","model_id":"volume_17_31","symbol":"SPY","side":"buy","quantity":"5","reason":"volume 3100 is a multiple of 31"}');
INSERT INTO "commands" VALUES(2,3,'volume_17_31','hftd-20261120-SPY-0f3a9c','order.submitted','{"kind":"order.submitted","model_id":"volume_17_31","order":{"client_order_id":"hftd-20261120-SPY-0f3a9c","symbol":"SPY","side":"buy","quantity":"5"},"reference_price":271.42,"fingerprint":"abababababababababababababababababababababababababababababababab","reason":"volume 3100 is a multiple of 31"}');
CREATE TABLE events (
        sequence INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, received_ns INTEGER NOT NULL,
        source TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
INSERT INTO "events" VALUES(1,1795184940000000000,1795184940000000000,'journal','portfolio.carried','{"kind":"portfolio.carried","time_ns":1795184940000000000,"cash":"100000","positions":[],"prices":{},"halts":[],"standings":[]}');
INSERT INTO "events" VALUES(2,1795185000000000000,1795185000000000000,'calendar','session.opened','{"kind":"session.opened","time_ns":1795185000000000000,"session":{"open_ns":1795185000000000000,"close_ns":1795208400000000000,"day":"2026-11-20"}}');
INSERT INTO "events" VALUES(3,1795185060000000000,1795185060000000000,'socket','bar.received','{"kind":"bar.received","bar":{"symbol":"SPY","time_ns":1795185000000000000,"open":271.3,"high":271.5,"low":271.2,"close":271.42,"volume":3100,"trade_count":12,"vwap":271.4}}');
INSERT INTO "events" VALUES(4,1795185061000000000,1795185061000000000,'broker','order.reported','{"kind":"order.reported","report":{"kind":"fill","client_order_id":"hftd-20261120-SPY-0f3a9c","time_ns":1795185061000000000,"broker_order_id":"b-1","symbol":"SPY","side":"buy","execution_id":"e-1","quantity":"5","price":"271.43","filled_quantity":"5"}}');
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('account_id','8a6f1f9e');
INSERT INTO "meta" VALUES('run_id','00112233aabbccdd');
INSERT INTO "meta" VALUES('schema_version','1');
INSERT INTO "meta" VALUES('session','2026-11-20');
CREATE TABLE models (
        model_id TEXT NOT NULL, fingerprint TEXT NOT NULL, symbols TEXT NOT NULL, parameters TEXT NOT NULL,
        PRIMARY KEY (model_id, fingerprint)) WITHOUT ROWID;
INSERT INTO "models" VALUES('volume_17_31','abababababababababababababababababababababababababababababababab','["SPY"]','{"quantity":5}');
CREATE INDEX commands_by_event ON commands (event_sequence);
CREATE INDEX commands_by_order ON commands (client_order_id) WHERE client_order_id IS NOT NULL;
CREATE VIEW reports AS SELECT sequence, time_ns, received_ns, json_extract(body, '$.report.kind') AS kind, json_extract(body, '$.report.client_order_id') AS client_order_id, json_extract(body, '$.report.broker_order_id') AS broker_order_id, json_extract(body, '$.report.symbol') AS symbol, json_extract(body, '$.report.side') AS side, json_extract(body, '$.report.execution_id') AS execution_id, json_extract(body, '$.report.quantity') AS quantity, json_extract(body, '$.report.price') AS price, json_extract(body, '$.report.filled_quantity') AS filled_quantity, json_extract(body, '$.report.reason') AS reason FROM events WHERE kind = 'order.reported';
COMMIT;
