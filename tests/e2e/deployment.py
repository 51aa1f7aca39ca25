"""A deployment as production has it: a man in the middle on every link between its processes."""

from __future__ import annotations

import itertools
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from sqlalchemy import create_engine, text
from sqlalchemy.engine.url import make_url

from connectors import keys
from connectors.dead_letters import DeadLetter
from connectors.inbox import WaitingText
from connectors.wire import HEALTH_PATH
from local.ports import free_port
from tests.e2e.outcome import TOKEN as TOKEN_OF_TEXT
from tests.e2e.processes import Forked, Process
from tests.e2e.rehearsal import environ_of_business, scripted_model
from tests.e2e.replication import DataNodes
from tests.e2e.tcp_proxy import TcpProxy, tcp_proxy
from tests.fakes.model import Obeys, Says
from tests.postgresql import Postgresql
from tests.pretend_business import open_twilio, pretend_config

TO_REDIS = ("rasa-redis", "actions-redis", "review-redis")
TO_SQL = ("rasa-sql", "review-sql")
OTHERS = ("rasa-twilio", "rasa-actions", "actions-model")
NOBODY = "http://127.0.0.1:9/v1"
_databases = itertools.count(1)


@dataclass
class Deployment:
    """`rasa run`, `rasa run actions` and the review app; `links` by who asks whom."""

    twilio_url: str
    sql_url: str
    data: DataNodes
    links: Mapping[str, TcpProxy]
    rasa: Process
    actions: Process
    review: Process

    @property
    def processes(self) -> tuple[Process, ...]:
        return self.review, self.actions, self.rasa

    def lead_redis(self, port: int, keep_standing: bool = False) -> None:
        """The name of Redis leads elsewhere."""
        for name in TO_REDIS:
            if name in self.links:
                self.links[name].lead(port, keep_standing)

    def dead_letters(self) -> set[str]:
        """The texts that somebody is asked to look at, by their SIDs."""
        port = (
            self.data.named_by_sentinels().port
            if self.data.sentinels
            else self.links["rasa-redis"].target
        )
        with redis.Redis(port=port, decode_responses=True) as client:
            letters = [DeadLetter.read(line) for line in client.lrange(keys.DEAD_LETTERS, 0, -1)]
        return {WaitingText.read(item).text.sid for letter in letters for item in letter.items}

    def known_to_sql(self, sids: set[str]) -> set[str]:
        """Which of these texts the session log has in SQL."""
        engine = create_engine(self.sql_url)
        try:
            with engine.connect() as connection:
                rows = connection.execute(text("SELECT ref FROM messages")).fetchall()
        finally:
            engine.dispose()
        return sids & {row[0] for row in rows}


@contextmanager
def deployment(
    folder: Path, data: DataNodes, postgresql: Postgresql, seed: int = 0
) -> Iterator[Deployment]:
    """Everything started; ended, whatever happens, at the end of the block."""
    rasa_port, actions_port, review_port = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        model = stack.enter_context(scripted_model())
        model.script = [Obeys(_names_what_it_answers)]
        twilio_url = stack.enter_context(
            open_twilio(pretend_config(f"http://127.0.0.1:{rasa_port}"))
        )
        sql_url = _new_database(postgresql)
        targets = {
            **dict.fromkeys(TO_REDIS if not data.sentinels else (), data.nodes[0].port),
            **dict.fromkeys(TO_SQL, postgresql.port),
            "rasa-twilio": _port(twilio_url),
            "rasa-actions": actions_port,
            "actions-model": _port(model.base_url),
        }
        links = {
            name: stack.enter_context(tcp_proxy(target, seed)) for name, target in targets.items()
        }

        def environ(who: str, **settings: str) -> dict[str, str]:
            link = links.get(f"{who}-redis")
            url = f"redis://127.0.0.1:{link.port}/0" if link else data.url
            given = {"REDIS_URL": url, "LLM_BASE_URL": NOBODY, **settings}
            return environ_of_business(rasa_port, **given)

        rasa = Process(
            ["rasa", "run", "-p", str(rasa_port)],
            environ(
                "rasa",
                TWILIO_API_BASE_URL=f"http://127.0.0.1:{links['rasa-twilio'].port}",
                SESSION_LOG_URL=_through(links["rasa-sql"], sql_url),
                ACTIONS_PORT=str(links["rasa-actions"].port),
            ),
            f"http://127.0.0.1:{rasa_port}{HEALTH_PATH}",
            folder / "rasa.log",
            Forked,
        )
        actions = Process(
            ["rasa", "run", "actions", "-p", str(actions_port)],
            environ("actions", LLM_BASE_URL=f"http://127.0.0.1:{links['actions-model'].port}/v1"),
            f"http://127.0.0.1:{actions_port}/health",
            folder / "actions.log",
            Forked,
        )
        review = Process(
            ["review"],
            environ(
                "review",
                SESSION_LOG_URL=_through(links["review-sql"], sql_url),
                TWILIO_API_BASE_URL=twilio_url,
                REVIEW_PORT=str(review_port),
                REVIEW_ADMIN_PASSWORD="not a secret in a test",
            ),
            f"http://127.0.0.1:{review_port}/sign-in",
            folder / "review.log",
            Forked,
        )
        business = Deployment(twilio_url, sql_url, data, links, rasa, actions, review)
        for process in business.processes:
            stack.callback(_end, process)
            process.start()
        yield business


def _end(process: Process) -> None:
    """It may be stuck: that is what is looked for, and is told elsewhere."""
    try:
        process.end()
    except subprocess.TimeoutExpired:
        process.strike(signal.SIGKILL)


def _names_what_it_answers(asked: dict[str, Any]) -> Says:
    """The tokens of all that was said since the assistant spoke last."""
    said: list[str] = []
    for message in asked["messages"]:
        if message["role"] == "assistant":
            said = []
        elif message["role"] == "user":
            said += TOKEN_OF_TEXT.findall(str(message["content"]))
    return Says(f"re: {' '.join(said)}", seconds=0.1)


def _new_database(postgresql: Postgresql) -> str:
    name = f"session_log_{next(_databases)}"
    engine = create_engine(postgresql.url(), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    finally:
        engine.dispose()
    return postgresql.url(name)


def _through(link: TcpProxy, url: str) -> str:
    return str(make_url(url).set(port=link.port))


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
