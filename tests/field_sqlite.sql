-- trades as the running system has made it in the field, with the user's columns that
-- somebody added by hand: no version table, no ledger.
CREATE TABLE trades (
    id TEXT PRIMARY KEY, strategyName TEXT NOT NULL, instrument TEXT NOT NULL,
    side TEXT NOT NULL, entryOrderId TEXT NOT NULL, slOrderId TEXT, tpOrderId TEXT,
    entryPrice REAL NOT NULL, exitPrice REAL, amount REAL NOT NULL,
    stopLoss REAL NOT NULL, takeProfit REAL NOT NULL, entryTime INTEGER NOT NULL,
    exitTime INTEGER, exitReason TEXT, pnl REAL, pnlPercentage REAL,
    status TEXT NOT NULL, metadata TEXT
);
CREATE INDEX idx_trades_strategy ON trades(strategyName);
CREATE INDEX idx_trades_instrument ON trades(instrument);
CREATE INDEX idx_trades_status ON trades(status);
CREATE INDEX idx_trades_entryTime ON trades(entryTime);
CREATE INDEX idx_trades_exitReason ON trades(exitReason);
ALTER TABLE trades ADD COLUMN user_id TEXT;
CREATE INDEX idx_trades_user ON trades(user_id);
CREATE INDEX idx_trades_user_strategy_time ON trades(user_id, strategyName, entryTime DESC);
