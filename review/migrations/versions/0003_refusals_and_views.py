"""What was refused is found quickly; filters with a name are called views, as on the pages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    refused = sa.text("kind = 'refused'")
    op.create_index(
        "records_refused", "records", ["id"], sqlite_where=refused, postgresql_where=refused
    )
    op.rename_table("saved_filters", "saved_views")
