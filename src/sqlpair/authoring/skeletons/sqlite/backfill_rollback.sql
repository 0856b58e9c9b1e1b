-- Undo {stem}.
-- Loses: …
--
-- What has another value by now was written by somebody, and stays. The values that go
-- count as data: sqlpair rollback takes them with --allow-data-loss only.

UPDATE the_table
   SET the_column = NULL
 WHERE the_column = 'the value';
