-- Undo 000_baseline: drop users and user_credentials, if both are empty.
-- Why: a new machine goes back to nothing; accounts and keys are never taken,
--   whether this tool made the tables or found them.
-- Locks: both tables, exclusive, while their rows are counted.
-- Loses: two empty tables. With a row in either it refuses and changes nothing.
BEGIN;

-- From the count to the drop, nobody adds a row.
LOCK TABLE user_credentials, users IN ACCESS EXCLUSIVE MODE;

-- A row security policy would hide rows from the count; now it is an error.
SET LOCAL row_security = off;

DO $$
DECLARE
    kept text;
BEGIN
    SELECT string_agg(format('%s has %s row(s)', name, rows), ', ')
      INTO kept
      FROM (SELECT 'users' AS name, count(*) AS rows FROM users
            UNION ALL
            SELECT 'user_credentials', count(*) FROM user_credentials) AS counted
     WHERE rows > 0;
    IF kept IS NOT NULL THEN
        RAISE EXCEPTION 'not dropped: %', kept
            USING HINT = 'This rollback takes empty tables only.';
    END IF;
END
$$;

DROP TABLE user_credentials;
DROP TABLE users;

COMMIT;
