-- What holds of user_strategies beyond its constraints.
-- Every row returned is a problem.

SELECT id AS strategy_id,
       'config is a JSON ' || jsonb_typeof(config) || ', not an object' AS problem
  FROM user_strategies
 WHERE jsonb_typeof(config) <> 'object';

SELECT id AS strategy_id,
       'strategy_name, instrument or broker is blank' AS problem
  FROM user_strategies
 WHERE '' IN (btrim(strategy_name), btrim(instrument), btrim(broker));

SELECT id AS strategy_id,
       'error_count is ' || error_count AS problem
  FROM user_strategies
 WHERE error_count < 0;

-- A minute's grace: created_at may come from an application whose clock is ahead.
SELECT id AS strategy_id,
       'updated at ' || updated_at || ', before it was created at ' || created_at
           AS problem
  FROM user_strategies
 WHERE updated_at < created_at - interval '1 minute';
