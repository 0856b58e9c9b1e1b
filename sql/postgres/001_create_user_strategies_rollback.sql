-- Undo 001_create_user_strategies: drop the table, its trigger and its function.
-- Why: back to one user, whose strategies the backend keeps in memory.
-- Locks: user_strategies and users, exclusive, brief.
-- Loses: every strategy, with its configuration and state.
BEGIN;

DROP TABLE user_strategies;
DROP FUNCTION update_user_strategies_updated_at();

COMMIT;
