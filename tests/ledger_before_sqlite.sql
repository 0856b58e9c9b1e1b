-- The bookkeeping tables as they were before rollbacks were recorded in them: two
-- deployments, the second rolled back and made again.
CREATE TABLE alembic_version (version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO alembic_version VALUES ('sqlite_004');
CREATE TABLE schema_version (id INTEGER PRIMARY KEY, version integer NOT NULL, migration_name varchar(255) NOT NULL, applied_at TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')), checksum varchar(64), deployment varchar(64), applied_by varchar(255), milliseconds integer, method varchar(16));
INSERT INTO schema_version VALUES
    (1, 2, '002_b', '2026-11-27 01:07:54.923672', 'e7099c80927a4e98a86271885f7d6512fbd48239c9fd2763fdb6536471b49aac', '20261127T010754.791Z-345435', 'deploy@host', 0, 'upgrade'),
    (2, 4, '004_d', '2026-11-27 01:08:00.126192', '820425ae7a2cefeacf7e2dbd5d3789b017e622e58d35fbf0cc057e4f1a2b2e34', '20261127T010800.028Z-c128e1', 'deploy@host', 0, 'upgrade');
CREATE TABLE schema_history (id INTEGER PRIMARY KEY, at TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')), deployment varchar(64) NOT NULL, transaction_id varchar(200) NOT NULL, action varchar(16) NOT NULL, version integer, migration_name varchar(255) NOT NULL, applied_by varchar(255), milliseconds integer, checksum varchar(64), databases text);
INSERT INTO schema_history VALUES
    (1, '2026-11-27 01:07:54.923672', '20261127T010754.791Z-345435', '20261127T010754.791Z-345435/1', 'upgrade', 2, '002_b', 'deploy@host', 0, 'e7099c80927a4e98a86271885f7d6512fbd48239c9fd2763fdb6536471b49aac', 'postgres=1 sqlite=2'),
    (2, '2026-11-27 01:07:57.338486', '20261127T010757.231Z-fb0e7c', '20261127T010757.231Z-fb0e7c/1', 'upgrade', 4, '004_d', 'deploy@host', 1, '820425ae7a2cefeacf7e2dbd5d3789b017e622e58d35fbf0cc057e4f1a2b2e34', 'postgres=3 sqlite=4'),
    (3, '2026-11-27 01:07:58.751132', '20261127T010758.566Z-083862', '20261127T010758.566Z-083862/1', 'downgrade', 4, '004_d', 'deploy@host', 1, '', 'sqlite=2 postgres=1'),
    (4, '2026-11-27 01:08:00.126192', '20261127T010800.028Z-c128e1', '20261127T010800.028Z-c128e1/1', 'upgrade', 4, '004_d', 'deploy@host', 0, '820425ae7a2cefeacf7e2dbd5d3789b017e622e58d35fbf0cc057e4f1a2b2e34', 'postgres=3 sqlite=4');
-- What the migrations of tests/ledger/test_ledger_before.py have made.
CREATE TABLE b (x text);
CREATE TABLE d (x text);
