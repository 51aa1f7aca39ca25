"""Outside: to which hosts webhooks may go, so that nobody reaches through us what is inside.

A name is looked up once for each delivery, every address it has is checked, and the connection
goes to the address that was checked: a name that points elsewhere a moment later changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

import httpx

from review.errors import Unusable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Translated by gateways into the IPv4 address in their last 32 bits.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Azure's machines are told their secrets from here; it is no private address.
_AZURE = ipaddress.IPv4Address("168.63.129.16")


class Outside:
    """Raises Unusable for an address that is not outside.

    `private`: loopback and private networks are, too. Link-local addresses never are, because
    clouds give away a machine's credentials there.
    """

    def __init__(self, *, private: bool = False) -> None:
        self.private = private

    async def address(self, host: str, port: int) -> str:
        """The address to connect to. Raises OSError and UnicodeError if the name has none."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return self._checked(host, [str(entry[4][0]) for entry in found])

    def check(self, host: str) -> None:
        """Blocks. A name that nobody knows passes: it may be known by the time it is needed."""
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        self._checked(host, [str(entry[4][0]) for entry in found])

    def _checked(self, host: str, addresses: Sequence[str]) -> str:
        for address in addresses:
            if not self._is_outside(_plain(address)):
                raise Unusable(
                    f"{host} is not outside: loopback, private and link-local addresses get no"
                    " webhooks (WEBHOOKS_TO_PRIVATE_HOSTS=on allows the first two)."
                )
        return addresses[0]

    def _is_outside(self, address: Address) -> bool:
        is_local = address.is_link_local or address.is_multicast or address.is_unspecified
        if is_local or address == _AZURE:
            return False
        if getattr(address, "is_site_local", False):
            return self.private
        return self.private or address.is_global


def _plain(text: str) -> Address:
    """An IPv6 address that stands for an IPv4 address, as that one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


class PinnedTransport(httpx.AsyncBaseTransport):
    """Connects to the address that was checked; the name stays in the request and in TLS."""

    def __init__(self, outside: Outside, most: int) -> None:
        self.outside = outside
        # Not kept open: connections are known by their address here, and two names may share one.
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises Unusable, OSError, UnicodeError and httpx.HTTPError."""
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        address = await self.outside.address(host, port)
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        await self._inner.aclose()
