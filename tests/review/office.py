"""The review app as its people use it: a real server, and somebody with a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from connectors.settings import Settings
from connectors.store import Store
from local.ports import free_port
from review.access import Role
from review.accounts import Accounts
from review.app import create_app
from review.database import Database
from review.server import ReviewServer
from review.tokens import Tokens
from tests.pretend_business import serving

PASSWORD = "correct-horse-battery"
WAIT_S = 30


@dataclass
class Office:
    """An app that answers at `url`, on a database of its own."""

    url: str
    database: Database
    server: ReviewServer
    browsers: list[httpx.Client] = field(default_factory=list)

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.database)

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.database)

    def browser(self) -> httpx.Client:
        client = httpx.Client(
            base_url=self.url, headers={"accept": "text/html"}, timeout=WAIT_S, trust_env=False
        )
        self.browsers.append(client)
        return client

    def somebody(self, role: Role) -> httpx.Client:
        """A browser in which somebody of this role is signed in, who sends the CSRF token."""
        if role is Role.NOBODY:
            return self.browser()
        name = f"a-{role.word}"
        if name not in {person["name"] for person in self.accounts.people()}:
            self.accounts.add(name, PASSWORD, role, by="test")
        return self.signed_in(name)

    def signed_in(self, name: str, password: str = PASSWORD) -> httpx.Client:
        browser = self.browser()
        answer = browser.post("/sign-in", data={"name": name, "password": password})
        assert answer.status_code == 303, answer.text
        page = browser.get("/").text
        browser.headers["x-csrf-token"] = page.split('name="csrf" content="')[1].split('"')[0]
        return browser

    def program(self, role: Role) -> httpx.Client:
        """A client with a token."""
        token = self.tokens.make(f"a {role.word}'s", role, by="test")
        client = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {token}"},
            timeout=WAIT_S,
            trust_env=False,
        )
        self.browsers.append(client)
        return client


@contextmanager
def open_office(
    database_url: str, redis_url: str, project: Path, **environ: str
) -> Iterator[Office]:
    """`project` is a folder that sessions may be saved in as tests."""
    port = free_port()
    settings = Settings.load(
        {
            "REDIS_URL": redis_url,
            "SESSION_LOG_URL": database_url,
            "REVIEW_PORT": str(port),
            "REVIEW_ADMIN_PASSWORD": PASSWORD,
            **environ,
        }
    )
    database = Database.at(database_url)
    database.migrate()
    Accounts(database).first_administrator(PASSWORD)
    own = Database.at(database_url)
    server = ReviewServer(create_app(settings, own, Store.connect(redis_url), project), port)
    with serving(server) as url:
        office = Office(url, database, server)
        try:
            yield office
        finally:
            for browser in office.browsers:
                browser.close()
            database.close()
