"""A lost password: whoever may read the settings of this machine sets a new one."""

from __future__ import annotations

import getpass
import sys

from review import passwords
from review.accounts import Accounts
from review.database import Database
from review.errors import DatabaseUnavailable, NotThere, Unusable

BY = "command line"


def passwd(database: Database, name: str) -> int:
    """The exit code: 0, or 1 with what is wrong on standard error."""
    try:
        given = _asked(name)
        password = given or passwords.made_up()
        database.migrate()
        Accounts(database).set_password(name, password, by=BY)
    except (DatabaseUnavailable, NotThere, Unusable) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        database.close()
    told = "the new password" if given else password
    print(f"{name} signs in with {told} now; nobody is signed in as {name} any more")
    return 0


def _asked(name: str) -> str:
    """ "" for one to be made up. Raises Unusable if it is not twice the same."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    given = getpass.getpass(f"New password of {name} (empty: one is made up): ")
    if given and getpass.getpass("Once more: ") != given:
        raise Unusable("These were two different passwords; nothing was changed.")
    return given
