-- user_strategies as the running system has made it in the field: beside the users of
-- the baseline, with a broker by default, and without three of our indexes.
CREATE TABLE user_strategies (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id         uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    strategy_name   varchar(100) NOT NULL,
    instrument      varchar(100) NOT NULL,
    broker          varchar(50) NOT NULL DEFAULT 'deribit',
    environment     varchar(20) NOT NULL,
    config          jsonb NOT NULL DEFAULT '{}',
    status          varchar(50) NOT NULL DEFAULT 'stopped',
    last_action     varchar(50),
    auto_reconnect  boolean DEFAULT true,
    connected_at    timestamptz,
    disconnected_at timestamptz,
    last_heartbeat  timestamptz,
    error_message   text,
    error_count     integer DEFAULT 0,
    created_at      timestamptz DEFAULT now(),
    updated_at      timestamptz DEFAULT now(),
    CONSTRAINT unique_user_strategy
        UNIQUE (user_id, strategy_name, instrument, environment),
    CONSTRAINT check_status
        CHECK (status IN ('active', 'stopped', 'paused', 'error')),
    CONSTRAINT check_environment
        CHECK (environment IN ('live', 'testnet'))
);

CREATE INDEX idx_user_strategies_user ON user_strategies (user_id);
CREATE INDEX idx_user_strategies_status ON user_strategies (status);
CREATE INDEX idx_user_strategies_updated ON user_strategies (updated_at DESC);
CREATE INDEX idx_user_strategies_auto_reconnect ON user_strategies (auto_reconnect);
CREATE INDEX idx_user_strategies_user_status ON user_strategies (user_id, status);

-- The clock, not now(): that is when the transaction began, which for a slow
-- one can be before the row was made. The name is whole, so that no caller's
-- search_path can put another function in its place.
CREATE FUNCTION update_user_strategies_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := pg_catalog.clock_timestamp();
    RETURN NEW;
END
$$;

CREATE TRIGGER trigger_update_user_strategies_updated_at
    BEFORE UPDATE ON user_strategies
    FOR EACH ROW EXECUTE FUNCTION update_user_strategies_updated_at();

