"""Webhooks' deliveries are claimed; what was deleted is known, and what that leaves to do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    deliveries = "webhook_deliveries"
    op.add_column(deliveries, sa.Column("session", sa.Text(), server_default="", nullable=False))
    op.add_column(
        deliveries, sa.Column("claimed_ms", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.create_index("webhook_deliveries_of_session", deliveries, ["session"])
    op.create_table(
        "erased",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "redactions",
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sid"),
    )
