"""${message.partition(" ")[2]}"""

from sqlpair.revision import pair

revision = "${up_revision}"
down_revision = ${f'"{down_revision}"' if down_revision else None}
branch_labels = ${f'"{branch_labels[0]}"' if branch_labels else None}
depends_on = None

upgrade, downgrade = pair("${sql}")
