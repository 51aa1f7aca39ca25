"""The identity of the session log's database: made up once, by whoever comes first.

Two installations that write into one database have the same one; a database that was made anew has
another. A copy has that of its original.
"""

from __future__ import annotations

import secrets

from sqlalchemy import text

from connectors.sql_connection import begun, located, make_in_turn

MAKE = (
    "CREATE TABLE IF NOT EXISTS installation"
    " (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL)"
)
ADD = "INSERT INTO installation (one, id) VALUES (1, :id) ON CONFLICT (one) DO NOTHING"
_READ = text("SELECT id FROM installation")


def new_identity() -> str:
    return secrets.token_hex(16)


def database_id(address: str) -> str:
    """32 hex digits, the same for everybody who uses this database.

    Makes the table, and a file of SQLite's, where it is not there yet. Blocks for some seconds at
    most, and raises StoreUnavailable.
    """
    with begun(located(address)) as connection:
        make_in_turn(connection)
        connection.execute(text(MAKE))
        connection.execute(text(ADD), {"id": new_identity()})
        return str(connection.execute(_READ).scalar_one())
