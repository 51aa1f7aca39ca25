"""Somebody who reads the review app's pages, beside the event loop of a test."""

from __future__ import annotations

from typing import Any

import httpx

from review.access import Role
from tests.review.office import WAIT_S, Office


class Reader:
    """Somebody's browser."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def page(self, path: str) -> str:
        return (await self.get(path)).text

    async def part(self, path: str) -> str:
        return (await self.client.get(path, headers={"x-fragment": "1"})).text

    async def post(self, path: str, **given: Any) -> httpx.Response:
        return await self.client.post(path, data=given)

    async def changes(self, path: str, **given: Any) -> str:
        """Post as a script does; the part that comes back."""
        return (await self.client.post(path, data=given, headers={"x-fragment": "1"})).text


def reader_of(office: Office, role: Role) -> Reader:
    """Signed in as somebody of this role."""
    return _reading(office, office.somebody(role))


def reader_signed_in(office: Office, name: str) -> Reader:
    return _reading(office, office.signed_in(name))


def _reading(office: Office, signed_in: httpx.Client) -> Reader:
    return Reader(
        httpx.AsyncClient(
            base_url=office.url,
            headers=signed_in.headers,
            cookies=signed_in.cookies,
            timeout=WAIT_S,
            trust_env=False,
        )
    )
