"""Only the public network, and what the user names: checked by address, however a host is spelled."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from pipeline.crawl.addresses import NotPublic, PublicResolver, is_public

INSIDE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("::1", "::", "fe80::1", "fd00::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1"),
]


class Names(AbstractResolver):
    """A name server whose answers change: the next of a host's addresses at each question, the last one from then on."""

    def __init__(self, **addresses: list[str]) -> None:
        self.addresses = {name.replace("_", "."): list(found) for name, found in addresses.items()}

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        left = self.addresses[host]
        found = left.pop(0) if len(left) > 1 else left[0]
        return [ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0) for each in found.split()]

    async def close(self) -> None:
        """Nothing is open."""


def addresses(resolver: PublicResolver, host: str, port: int = 80) -> list[str]:
    return [each["host"] for each in asyncio.run(resolver.resolve(host, port))]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_a_network_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_the_public_network_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_a_name_that_leads_inside_is_refused_also_where_only_one_of_its_addresses_does() -> None:
    resolver = PublicResolver(["http://seed.example/"], Names(a_example=["93.184.216.34 10.0.0.1"], b_example=["8.8.8.8"]))
    with pytest.raises(NotPublic, match=r"a\.example is at 10\.0\.0\.1"):
        addresses(resolver, "a.example")
    assert addresses(resolver, "b.example") == ["8.8.8.8"]


def test_a_seed_may_be_inside_but_only_at_the_port_that_was_named() -> None:
    resolver = PublicResolver(["http://wiki.corp:8080/"], Names(wiki_corp=["10.0.0.1"]))
    assert addresses(resolver, "wiki.corp", 8080) == ["10.0.0.1"]
    with pytest.raises(NotPublic):
        addresses(resolver, "wiki.corp", 9090)


def test_a_seed_that_was_public_may_not_move_inside() -> None:
    resolver = PublicResolver(["https://seed.example/"], Names(seed_example=["8.8.8.8", "127.0.0.1"]))
    assert addresses(resolver, "seed.example", 443) == ["8.8.8.8"]
    with pytest.raises(NotPublic):
        addresses(resolver, "seed.example", 443)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:81/", "http://[::1]/", "http://169.254.169.254/latest", "http://[::ffff:a00:1]/"]
)
def test_a_host_that_is_a_number_is_judged_without_being_looked_up(url: str) -> None:
    resolver = PublicResolver(["http://127.0.0.1:80/"], Names())
    with pytest.raises(NotPublic):
        resolver.check(url)
    resolver.check("http://127.0.0.1/page")
    resolver.check("http://8.8.8.8/")


def test_names_are_looked_up_by_the_system_which_reads_other_spellings_of_a_number() -> None:
    async def look_up() -> None:
        await PublicResolver([]).resolve("0x7f.1", 80)

    with pytest.raises(NotPublic, match=r"is at 127\.0\.0\.1"):
        asyncio.run(look_up())
