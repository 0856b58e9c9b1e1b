"""baseline"""

from sqlpair.revision import pair

revision = "postgres_000"
down_revision = None
branch_labels = "postgres"
depends_on = None

upgrade, downgrade = pair("sql/postgres/000_baseline.sql")
