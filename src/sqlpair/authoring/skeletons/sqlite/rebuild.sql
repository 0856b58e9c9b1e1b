-- {sentence}.
-- Why: …
-- Locks: …
-- Rollback loses: …
--
-- The recipe of https://www.sqlite.org/lang_altertable.html#otheralter. Its steps 1, 2,
-- 10, 11 and 12 (foreign keys off, BEGIN, foreign_key_check, COMMIT, foreign keys on) are
-- the deployment's. Replace the_table and its columns, and fill in what hangs on it (3):
--   SELECT type, name, sql FROM sqlite_master WHERE sql LIKE '%the_table%';

-- 9, first half: views, and triggers of other tables, that name the table go first; the
-- rename would stumble over them.
-- DROP VIEW the_view;

-- 4. The table as it is to be, under another name: every column, key and CHECK.
CREATE TABLE new_the_table (
    id         INTEGER PRIMARY KEY,
    the_column TEXT NOT NULL
);

-- 5. Every row, with the columns named on both sides: SELECT * would mix them up.
INSERT INTO new_the_table (id, the_column)
SELECT id, the_column FROM the_table;

-- With AUTOINCREMENT, so that no id is given twice:
-- DELETE FROM sqlite_sequence WHERE name = 'new_the_table';
-- INSERT INTO sqlite_sequence (name, seq)
-- SELECT 'new_the_table', seq FROM sqlite_sequence WHERE name = 'the_table';

-- 6 and 7, in this order: to rename the old table would take along what refers to it.
DROP TABLE the_table;
ALTER TABLE new_the_table RENAME TO the_table;

-- 8. The table's indexes and triggers, which went with the old one.
-- CREATE INDEX the_index ON the_table (the_column);

-- 9, second half: the views and triggers of above.
-- CREATE VIEW the_view AS SELECT the_column FROM the_table;
