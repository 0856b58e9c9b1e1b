"""extend trades table"""

from sqlpair.revision import pair

revision = "sqlite_002"
down_revision = "sqlite_000"
branch_labels = None
depends_on = None

upgrade, downgrade = pair("sql/sqlite/002_extend_trades_table.sql")
