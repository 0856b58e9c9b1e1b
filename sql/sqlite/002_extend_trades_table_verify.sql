-- What holds of trades.user_id, where there is one.
-- Every row returned is a problem.

SELECT id AS trade_id,
       'user_id is stored as ' || typeof(user_id) || ', not as text' AS problem
  FROM trades
 WHERE typeof(user_id) NOT IN ('text', 'null');

-- PostgreSQL writes a uuid in one way; anything else would match no user.
SELECT id AS trade_id,
       'user_id is not a uuid in lower case: ' || quote(user_id) AS problem
  FROM trades
 WHERE typeof(user_id) = 'text'
   AND (user_id NOT GLOB '????????-????-????-????-????????????'
        OR user_id GLOB '*[^-0-9a-f]*'
        OR length(replace(user_id, '-', '')) <> 32);
