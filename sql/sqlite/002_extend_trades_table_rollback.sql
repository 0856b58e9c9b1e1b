-- Undo 002_extend_trades_table: drop user_id and its indexes.
-- Why: back to one user's trade history. Needs SQLite 3.35 or newer.
-- Locks: other writers, while all trades are rewritten without the column.
-- Loses: whose trade each one is; every trade and every other column stay.
BEGIN;

DROP INDEX idx_trades_user_strategy_time;
DROP INDEX idx_trades_user;
ALTER TABLE trades DROP COLUMN user_id;

COMMIT;
