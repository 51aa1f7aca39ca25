"""Whoever scripts the trouble, and what they wait for."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx

from tests.pretend_business import BUSINESS, CUSTOMER, WAIT_S, Business

FRIEND = "+15550108888"
GIVES_UP_S = 0.5
LATE_MS = 300
HELD = {"reorder": 1, "hold_ms": 10_000}


class Rehearsal:
    """Whoever scripts the trouble, texts as a customer, and reads what came of it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, path: str, told: dict[str, Any]) -> dict[str, Any]:
        response = httpx.post(self.url + path, json=told, timeout=30)
        assert response.status_code in (200, 201), response.text
        reply: dict[str, Any] = response.json()
        return reply

    def script(self, **troubles: list[Any]) -> dict[str, Any]:
        return self.post("/chaos/script", troubles)

    def set(self, **odds: Any) -> dict[str, Any]:
        return self.post("/chaos/settings", odds)

    def load(self, texts: list[dict[str, str]], **how: Any) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.post("/chaos/load", {"texts": texts, **how})["texts"]
        return entries

    def text(self, body: str, sender: str = CUSTOMER) -> dict[str, Any]:
        return self.post("/phone/texts", text(body, sender))

    def texts(self, *bodies: str, sender: str = CUSTOMER) -> list[threading.Thread]:
        """One after another, without waiting for the business to answer."""
        threads = []
        for body in bodies:
            known = len(self.ledger()["texts"])
            threads.append(threading.Thread(target=self.text, args=(body, sender)))
            threads[-1].start()
            until(lambda known=known: len(self.ledger()["texts"]) > known)
        return threads

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = httpx.get(f"{self.url}/chaos").json()
        return state

    def ledger(self, **of: str) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = httpx.get(
            f"{self.url}/chaos/ledger", params=of
        ).json()
        return found

    def bubbles(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/phone/messages").json()["messages"]
        return found


def text(body: str, sender: str = CUSTOMER) -> dict[str, str]:
    return {"from": sender, "to": BUSINESS, "body": body}


def until(happens: Any) -> None:
    end = time.monotonic() + WAIT_S
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def bodies(business: Business, how_many: int) -> list[str]:
    return [business.texts.get(timeout=WAIT_S).form["Body"] for _ in range(how_many)]


def states(business: Business, how_many: int) -> list[str]:
    return [business.reports.get(timeout=WAIT_S).form["MessageStatus"] for _ in range(how_many)]


def callback(business: Business) -> str:
    return f"{business.url}/status"
