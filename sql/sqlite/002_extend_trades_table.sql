-- Add the user to each trade, with the indexes to find a user's trades.
-- Why: one trade history comes to serve many users.
-- Locks: other writers, while two indexes are built over all trades; no rewrite.
-- Rollback loses: whose trade each one is.
BEGIN;

-- Nullable: the trades made so far have no user. TEXT: a column declared UUID
-- would have NUMERIC affinity and turn an id of digits into a number.
ALTER TABLE trades ADD COLUMN user_id TEXT;

CREATE INDEX idx_trades_user ON trades (user_id);

-- The common query: one user's trades of one strategy, newest first.
CREATE INDEX idx_trades_user_strategy_time
    ON trades (user_id, strategyName, entryTime DESC);

COMMIT;
