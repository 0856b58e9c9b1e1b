-- Record what the single-user backend makes when it first starts: trades.
-- Why: 002 extends trades, which production has and a new machine does not.
-- Locks: other writers, for as long as an index takes that is not there yet.
-- Rollback loses: the table, and only if it is empty.
BEGIN;

-- lint: allow enumeration-without-check: the backend makes this table, as it is
CREATE TABLE IF NOT EXISTS trades (
    id            TEXT PRIMARY KEY,
    strategyName  TEXT NOT NULL,
    instrument    TEXT NOT NULL,
    side          TEXT NOT NULL,
    entryOrderId  TEXT NOT NULL,
    slOrderId     TEXT,
    tpOrderId     TEXT,
    entryPrice    REAL NOT NULL,
    exitPrice     REAL,
    amount        REAL NOT NULL,
    stopLoss      REAL NOT NULL,
    takeProfit    REAL NOT NULL,
    entryTime     INTEGER NOT NULL, -- milliseconds since the epoch
    exitTime      INTEGER,
    exitReason    TEXT,
    pnl           REAL,
    pnlPercentage REAL,
    status        TEXT NOT NULL,
    metadata      TEXT -- JSON
);

-- IF NOT EXISTS looks at the name alone. A table of this name with other
-- columns is not the baseline: stop here, and name the first missing column.
SELECT id, strategyName, instrument, side, entryOrderId, slOrderId, tpOrderId,
       entryPrice, exitPrice, amount, stopLoss, takeProfit, entryTime, exitTime,
       exitReason, pnl, pnlPercentage, status, metadata
  FROM trades
 LIMIT 0;

CREATE INDEX IF NOT EXISTS idx_trades_strategy ON trades (strategyName);
CREATE INDEX IF NOT EXISTS idx_trades_instrument ON trades (instrument);
CREATE INDEX IF NOT EXISTS idx_trades_status ON trades (status);
CREATE INDEX IF NOT EXISTS idx_trades_entryTime ON trades (entryTime);
CREATE INDEX IF NOT EXISTS idx_trades_exitReason ON trades (exitReason);

COMMIT;
