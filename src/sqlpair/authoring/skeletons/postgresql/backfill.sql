-- {sentence}.
-- Why: …
-- Locks: …
-- Rollback loses: …
-- no-transaction
--
-- Batches that commit one by one: no row stays locked for longer than its batch, and a
-- run that was cut short goes on where it stopped. Replace the_table, the_column and the
-- value. Up to some 100000 rows the last statement alone will do; then no-transaction
-- goes too.
-- First let the application write the column, or new rows without a value come after.

-- By pages of the table: each row is read once, whatever its key.
DO $$
DECLARE
    pages bigint := pg_relation_size('the_table') / current_setting('block_size')::int;
BEGIN
    FOR page IN 0 .. pages BY 500 LOOP
        UPDATE the_table
           SET the_column = 'the value'
         WHERE ctid >= format('(%s,0)', page)::tid
           AND ctid < format('(%s,0)', page + 500)::tid
           AND the_column IS NULL;
        COMMIT;
        PERFORM pg_sleep(0.05); -- for the others, and the replicas
    END LOOP;
END
$$;

-- The few that somebody moved to another page meanwhile.
UPDATE the_table
   SET the_column = 'the value'
 WHERE the_column IS NULL;
