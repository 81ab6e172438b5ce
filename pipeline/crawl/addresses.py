"""Whom the crawler may connect to: the public network, and the hosts that the recipe names as seeds."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from pipeline.url import host_of

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits
COMPATIBLE = ipaddress.ip_network("::/96")  # RFC 4291, section 2.5.5.1, deprecated: the same


class NotPublic(Exception):
    """A host that no seed names is at an address inside a network: nothing there is a page."""


class PublicResolver(AbstractResolver):
    """Finds the addresses of hosts and refuses those that are not public, however the host's name is spelled.

    A connection goes to the addresses that were checked, so a name cannot lead elsewhere between check and use. Hosts of
    `seeds` (URLs) were named by the user and may be anywhere; but one that was public when it was first looked up may not
    move inside, as a name does that is used to reach a network from within.
    """

    def __init__(self, seeds: Iterable[str], within: AbstractResolver | None = None) -> None:
        self.within = within or ThreadedResolver()
        self.named = {host_of(seed) for seed in seeds}
        self.inside: dict[str, bool] = {}  # host that a seed names -> whether its first address was not public

    def check(self, url: str) -> None:
        """Raises NotPublic for a URL whose host is a number of that kind: such hosts are never looked up."""
        spelled = URL(url, encoded=True).raw_host or ""
        try:
            address = ipaddress.ip_address(spelled)
        except ValueError:
            return
        if host_of(url) not in self.named and not is_public(address):
            raise NotPublic(f"{spelled} is no public address")

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """The host's addresses. Raises NotPublic where one of them is not public and no seed names host and port."""
        found = await self.within.resolve(host, port, family)
        private = [each["host"] for each in found if not is_public(ipaddress.ip_address(each["host"]))]
        seed = next(
            (name for scheme in ("http", "https") if (name := host_of(f"{scheme}://{host}:{port}")) in self.named), None
        )
        allowed = seed is not None and self.inside.setdefault(seed, bool(private))
        if private and not allowed:
            raise NotPublic(f"{host} is at {private[0]}, which is no public address")
        return found

    async def close(self) -> None:
        await self.within.close()


def is_public(address: Address) -> bool:
    """Whether an address is one of the public network; of one that holds an IPv4 address, whether that is."""
    if isinstance(address, ipaddress.IPv6Address):
        teredo: Any = address.teredo or (None, None)
        for held in (address.ipv4_mapped, address.sixtofour, teredo[1]):
            if held is not None:
                return is_public(held)
        if address in NAT64 or address in COMPATIBLE:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not address.is_multicast
