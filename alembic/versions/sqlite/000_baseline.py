"""baseline"""

from sqlpair.revision import pair

revision = "sqlite_000"
down_revision = None
branch_labels = "sqlite"
depends_on = None

upgrade, downgrade = pair("sql/sqlite/000_baseline.sql")
