"""What goes over the wire to an OpenAI-compatible API, and what is tried again."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence

import pytest

from actions.openai_api import ApiError, OpenAiApi, Refused, Unreachable
from connectors.settings import Model

HANG_UP = b""


def response(status: int = 200, body: object = None, **headers: str) -> bytes:
    """`headers` are written with underscores."""
    content = json.dumps(body).encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines = [f"HTTP/1.1 {status} It", *lines, f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


class Server:
    """Sends these bytes in turn, the last again and again; HANG_UP ends the connection instead."""

    def __init__(self) -> None:
        self.script: Sequence[bytes] = [response()]
        self.heads: list[str] = []
        self.connections = 0
        self.hangs_up_afterwards = False

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._answered(reader, writer) and not self.hangs_up_afterwards:
                pass
        except asyncio.IncompleteReadError:  # the client hung up
            pass
        writer.close()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
        await reader.readexactly(int(length))
        self.heads.append(head)
        answer = self.script[0]
        self.script = self.script[1:] or self.script
        writer.write(answer)
        return answer != HANG_UP


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.open()
    yield server
    await server.close()


async def asked(base_url: str, times: int = 1, seconds: float = 10) -> object:
    """The last answer."""
    api, answer = OpenAiApi(Model(base_url, "key-1", "m")), None
    try:
        for _ in range(times):
            answer = await api.post("/chat/completions", {"model": "m"}, seconds=seconds)
    finally:
        await api.close()
    return answer


async def test_a_connection_serves_many_questions(server: Server) -> None:
    server.script = [response(body={"n": 1}), response(body={"n": 2})]
    assert await asked(f"http://{server.address}/v1", times=2) == {"n": 2}
    assert server.connections == 1
    assert server.heads[0].startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    assert "\r\nAuthorization: Bearer key-1\r\n" in server.heads[0]


async def test_one_that_the_server_let_go_of_loses_no_question(server: Server) -> None:
    server.script = [response(body={"n": 1}), HANG_UP, response(body={"n": 2})]
    assert await asked(f"http://{server.address}", times=2) == {"n": 2}
    server.hangs_up_afterwards = True
    assert await asked(f"http://{server.address}", times=3) == {"n": 2}


@pytest.mark.parametrize(
    ("script", "error", "tries"),
    [
        ([response(500)], Refused, 2),
        ([response(429, Retry_After="0")], Refused, 2),
        ([response(429, Retry_After="30")], Refused, 1),  # nobody waits for that
        ([response(400)], Refused, 1),
        ([response(401)], Refused, 1),
        ([HANG_UP], Unreachable, 2),
        ([response(500), response(401)], Refused, 2),
        ([b"SSH-2.0-OpenSSH\r\n"], Unreachable, 2),
    ],
)
async def test_what_is_tried_again_is_tried_once(
    server: Server, script: Sequence[bytes], error: type[ApiError], tries: int
) -> None:
    server.script = script
    with pytest.raises(error):
        await asked(f"http://{server.address}")
    assert len(server.heads) == tries


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "model_not_found", "type": "invalid", "param": "model"}},
        {"code": "model_not_found", "type": "invalid", "param": "model"},
    ],
)
async def test_the_servers_own_words_are_kept(server: Server, body: object) -> None:
    server.script = [response(404, body)]
    with pytest.raises(Refused) as refused:
        await asked(f"http://{server.address}")
    said = refused.value
    assert (said.status, said.code, said.kind, said.param) == (
        404,
        "model_not_found",
        "invalid",
        "model",
    )


@pytest.mark.parametrize("body", [None, "busy", [1], {"error": "busy"}])
async def test_an_error_without_words_is_one_too(server: Server, body: object) -> None:
    server.script = [response(403, body)]
    with pytest.raises(Refused, match="HTTP 403") as refused:
        await asked(f"http://{server.address}")
    assert refused.value.code is None


async def test_the_machines_proxy_is_asked_for_the_world_outside(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://user:word@{server.address}")
    await asked("http://model.invalid/v1")
    assert server.heads[0].startswith("POST http://model.invalid/v1/chat/completions HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {_basic('user:word')}\r\n" in server.heads[0]
    await asked(f"http://{server.address}/v1")
    assert server.heads[1].startswith("POST /v1/chat/completions HTTP/1.1\r\n")


async def test_who_we_are_may_stand_in_the_address(server: Server) -> None:
    await asked(f"http://shop:secret@{server.address}/v1")
    assert f"Authorization: Basic {_basic('shop:secret')}\r\n" in server.heads[0]


def _basic(user_and_password: str) -> str:
    return base64.b64encode(user_and_password.encode()).decode()
