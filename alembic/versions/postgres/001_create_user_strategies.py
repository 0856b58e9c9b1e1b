"""create user strategies"""

from sqlpair.revision import pair

revision = "postgres_001"
down_revision = "postgres_000"
branch_labels = None
depends_on = None

upgrade, downgrade = pair("sql/postgres/001_create_user_strategies.sql")
