-- Undo 000_baseline: drop trades, if it is empty.
-- Why: a new machine goes back to nothing; a trade history is never taken,
--   whether this tool made the table or found it.
-- Locks: other writers, brief.
-- Loses: an empty table. With a row in it this refuses and changes nothing.
BEGIN;

-- SQLite has no IF. This statement fails if there are rows: the error of
-- json_extract repeats the path that it cannot read.
CREATE TEMP TABLE trades AS
SELECT json_extract('{}', 'not dropped: trades has ' || rows || ' row(s)') AS kept
  FROM (SELECT count(*) AS rows FROM main.trades)
 WHERE rows > 0;

-- sqlite3 without -bail goes on after an error. No temporary table was made
-- then; this view has its name instead, and both drops refuse a view.
CREATE TEMP VIEW IF NOT EXISTS trades AS SELECT 1;
DROP TABLE temp.trades;
DROP TABLE trades;

COMMIT;
