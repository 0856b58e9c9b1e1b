-- Record what the single-user backend made: users and their broker credentials.
-- Why: 001 refers to users, which production has and a new machine does not.
-- Locks: nothing on a new database; on one that has the tables, each is held
--   against writers for a moment, and for as long as a missing index takes.
-- Rollback loses: both tables, and only if both are empty.
BEGIN;

CREATE TABLE IF NOT EXISTS users (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email         varchar(255) NOT NULL UNIQUE,
    password_hash varchar(255) NOT NULL,
    full_name     varchar(255),
    -- lint: allow filter-column-without-index: users are few, nobody sorts by it
    created_at    timestamptz DEFAULT now(),
    last_login    timestamptz,
    is_active     boolean DEFAULT true
);

CREATE TABLE IF NOT EXISTS user_credentials (
    id                   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id              uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    broker               varchar(50) NOT NULL,
    -- lint: allow enumeration-without-check: rows from before may hold others
    -- lint: allow filter-column-without-index: read with user_id, which leads one
    environment          varchar(20) NOT NULL,
    api_key_encrypted    text NOT NULL,
    api_secret_encrypted text NOT NULL,
    encryption_iv        text NOT NULL,
    encryption_salt      text NOT NULL,
    -- lint: allow filter-column-without-index: a user has a handful of these
    created_at           timestamptz DEFAULT now(),
    last_used            timestamptz,
    is_active            boolean DEFAULT true,
    CONSTRAINT unique_user_broker_env UNIQUE (user_id, broker, environment)
);

-- IF NOT EXISTS looks at the name alone. Tables of these names with other
-- columns are not the baseline: stop here, and name the first missing column.
DO $$
BEGIN
    PERFORM id, email, password_hash, full_name, created_at, last_login, is_active
       FROM users
      LIMIT 0;
    PERFORM id, user_id, broker, environment, api_key_encrypted,
            api_secret_encrypted, encryption_iv, encryption_salt, created_at,
            last_used, is_active
       FROM user_credentials
      LIMIT 0;
END
$$;

CREATE INDEX IF NOT EXISTS idx_users_email ON users (email);
CREATE INDEX IF NOT EXISTS idx_users_active ON users (is_active);

CREATE INDEX IF NOT EXISTS idx_user_credentials_user ON user_credentials (user_id);
CREATE INDEX IF NOT EXISTS idx_user_credentials_broker ON user_credentials (broker);
CREATE INDEX IF NOT EXISTS idx_user_credentials_active ON user_credentials (is_active);

COMMIT;
