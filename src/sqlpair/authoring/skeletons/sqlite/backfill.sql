-- {sentence}.
-- Why: …
-- Locks: …
-- Rollback loses: …
-- no-transaction
--
-- Batches that commit one by one: between two of them others can write, and a run that
-- was cut short goes on where it stopped. Replace the_table, the_column and the value, and
-- write as many batches as max(rowid) asks for: SQLite has no loop. Up to some 100000
-- rows the last statement alone will do; then no-transaction goes too.
-- First let the application write the column, or new rows without a value come after.

UPDATE the_table SET the_column = 'the value'
 WHERE rowid <= 100000 AND the_column IS NULL;

UPDATE the_table SET the_column = 'the value'
 WHERE rowid > 100000 AND rowid <= 200000 AND the_column IS NULL;

-- The last batch has no end.
UPDATE the_table SET the_column = 'the value'
 WHERE rowid > 200000 AND the_column IS NULL;
