-- Undo {stem}.
-- Loses: …
--
-- The same way back: the table as it was, with every row.

-- DROP VIEW the_view;

CREATE TABLE old_the_table (
    id         INTEGER PRIMARY KEY,
    the_column TEXT
);

INSERT INTO old_the_table (id, the_column)
SELECT id, the_column FROM the_table;

-- With AUTOINCREMENT:
-- DELETE FROM sqlite_sequence WHERE name = 'old_the_table';
-- INSERT INTO sqlite_sequence (name, seq)
-- SELECT 'old_the_table', seq FROM sqlite_sequence WHERE name = 'the_table';

DROP TABLE the_table;
ALTER TABLE old_the_table RENAME TO the_table;

-- CREATE INDEX the_index ON the_table (the_column);

-- CREATE VIEW the_view AS SELECT the_column FROM the_table;
