-- The bookkeeping tables as they were before rollbacks were recorded in them: two
-- deployments, the second rolled back and made again.
CREATE TABLE alembic_version (version_num varchar(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO alembic_version VALUES ('postgres_003');
CREATE TABLE schema_version (id serial PRIMARY KEY, version integer NOT NULL,
    migration_name varchar(255) NOT NULL,
    applied_at timestamp DEFAULT (clock_timestamp() AT TIME ZONE 'utc'),
    checksum varchar(64), deployment varchar(64), applied_by varchar(255),
    milliseconds integer, method varchar(16));
INSERT INTO schema_version VALUES
    (1, 1, '001_a', '2026-11-27 01:07:54.923133', '2b5e73ee349624bf07fd470fa3ad9e416208e3c6b628a1e44b7df7f49a06f472', '20261127T010754.791Z-345435', 'deploy@host', 8, 'upgrade'),
    (3, 3, '003_c', '2026-11-27 01:08:00.125568', '6e2afb45e4afe203dc5983b31d107d2da631f106b3331444553fd7c33e75e5b8', '20261127T010800.028Z-c128e1', 'deploy@host', 5, 'upgrade');
SELECT setval('schema_version_id_seq', 3);
CREATE TABLE schema_history (id serial PRIMARY KEY,
    at timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'utc'),
    deployment varchar(64) NOT NULL, transaction_id varchar(200) NOT NULL,
    action varchar(16) NOT NULL, version integer, migration_name varchar(255) NOT NULL,
    applied_by varchar(255), milliseconds integer, checksum varchar(64), databases text);
INSERT INTO schema_history VALUES
    (1, '2026-11-27 01:07:54.923133', '20261127T010754.791Z-345435', '20261127T010754.791Z-345435/1', 'upgrade', 1, '001_a', 'deploy@host', 8, '2b5e73ee349624bf07fd470fa3ad9e416208e3c6b628a1e44b7df7f49a06f472', 'postgres=1 sqlite=2'),
    (2, '2026-11-27 01:07:57.337631', '20261127T010757.231Z-fb0e7c', '20261127T010757.231Z-fb0e7c/1', 'upgrade', 3, '003_c', 'deploy@host', 10, '6e2afb45e4afe203dc5983b31d107d2da631f106b3331444553fd7c33e75e5b8', 'postgres=3 sqlite=4'),
    (3, '2026-11-27 01:07:58.762214', '20261127T010758.566Z-083862', '20261127T010758.566Z-083862/1', 'downgrade', 3, '003_c', 'deploy@host', 11, '', 'sqlite=2 postgres=1'),
    (4, '2026-11-27 01:08:00.125568', '20261127T010800.028Z-c128e1', '20261127T010800.028Z-c128e1/1', 'upgrade', 3, '003_c', 'deploy@host', 5, '6e2afb45e4afe203dc5983b31d107d2da631f106b3331444553fd7c33e75e5b8', 'postgres=3 sqlite=4');
SELECT setval('schema_history_id_seq', 4);
-- What the migrations of tests/ledger/test_ledger_before.py have made.
CREATE TABLE a (x text);
CREATE TABLE c (x text);
