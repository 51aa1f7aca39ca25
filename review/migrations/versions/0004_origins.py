"""Several Redis can fill one database, and the database has an identity."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from connectors.database_identity import ADD, MAKE, new_identity
from connectors.sql_connection import make_in_turn

revision = "0004"
down_revision = "0003"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "origins",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("name"),
    )
    connection = op.get_bind()
    make_in_turn(connection)  # Rasa's process makes it, too
    connection.execute(sa.text(MAKE))
    connection.execute(sa.text(ADD), {"id": new_identity()})
