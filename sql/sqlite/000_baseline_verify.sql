-- What holds of trades beyond its constraints.
-- Every row returned is a problem.

-- SQLite lets NULL into a primary key that is not an integer.
SELECT rowid AS trade_rowid,
       'id is missing' AS problem
  FROM trades
 WHERE id IS NULL;

SELECT id AS trade_id,
       'entryTime is not a whole number of milliseconds: ' || quote(entryTime)
           AS problem
  FROM trades
 WHERE typeof(entryTime) <> 'integer';

SELECT id AS trade_id,
       'exitTime is not a whole number of milliseconds: ' || quote(exitTime)
           AS problem
  FROM trades
 WHERE typeof(exitTime) NOT IN ('integer', 'null');

SELECT id AS trade_id,
       'metadata is not JSON' AS problem
  FROM trades
 WHERE metadata IS NOT NULL
   AND NOT json_valid(metadata);
