"""robots.txt, tdmrep.json and ai.txt of hosts: found in archives, the newest of each."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from cluster.session import Session
from cluster.stage import Context
from cluster.store import WORK, Location, parquet_bytes, shard_records
from pipeline.rights import host_files
from pipeline.rights.host_files import HOST_RULES, HostFile, collect_host_rules, gather_host_rules, host_file_kind, scan_archive
from pipeline.rights.host_rules import HostRules
from pipeline.rights.settings import RightsSettings
from tests.pipeline.silent import Silent


def test_the_newest_rules_win_and_silence_undoes_nothing() -> None:
    files = [
        HostFile("h", "robots", "2026-02", "User-agent: *\nDisallow: /new"),
        HostFile("h", "robots", "2026-01", "User-agent: *\nDisallow: /old"),
        HostFile("h", "robots", "2026-03", ""),
        HostFile("h", "ai_txt", "2026-01", "User-agent: *\nDisallow: /"),
        HostFile("quiet", "robots", "2026-01", ""),
    ]
    table = gather_host_rules(files)
    assert table.select(["host", "kind", "time"]).to_pylist() == [
        {"host": "h", "kind": "ai_txt", "time": "2026-01"},
        {"host": "h", "kind": "robots", "time": "2026-02"},
    ]


def test_a_redirected_robots_txt_counts_for_the_host_that_redirects() -> None:
    files = [
        HostFile("a.example", "robots", "1", "", "https://www.a.example/robots.txt"),
        HostFile("www.a.example", "robots", "1", "User-agent: *\nDisallow: /x"),
        HostFile("b.example", "robots", "1", "", "https://b.example/robots.txt"),  # to itself, for ever
    ]
    hosts = HostRules(gather_host_rules(files), RightsSettings())
    assert hosts.opt_outs("http://a.example/x")[0].text == "robots.txt: *"
    assert hosts.opt_outs("http://b.example/x") == []


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://h/robots.txt", "robots"),
        ("http://h:81/ai.txt", "ai_txt"),
        ("https://h/.well-known/tdmrep.json", "tdmrep"),
        ("https://h/blog/robots.txt", ""),
        ("https://h/tdmrep.json", ""),
        ("https://h/", ""),
        ("robots.txt", ""),
    ],
)
def test_rules_are_at_three_addresses(url: str, kind: str) -> None:
    assert host_file_kind(url) == kind


def foreign_archive(path: Path, compressed: bool) -> dict[str, str]:
    """Another crawler's archive: pages that mention WARC and gzip, rules, a request for rules, a redirect."""
    with path.open("wb") as stream:
        writer = WARCWriter(stream, gzip=compressed)

        def add(kind: str, url: str, status: str, body: bytes, *headers: tuple[str, str]) -> None:
            http = StatusAndHeaders(status, [("Content-Type", "text/plain"), *headers], protocol="HTTP/1.1")
            if kind == "request":
                http = StatusAndHeaders("GET / HTTP/1.1", [], is_http_request=True)
            writer.write_record(writer.create_warc_record(url, kind, payload=io.BytesIO(body), http_headers=http))

        magic = gzip.compress(b"WARC/1.0\r\nWARC-Target-URI: https://trap.example/robots.txt\r\n\r\n") * 40
        add("response", "https://a.example/page", "200 OK", magic)  # stored, its members look like records
        add("request", "https://a.example/robots.txt", "", b"")
        add("response", "https://a.example/robots.txt", "200 OK", b"User-agent: GPTBot\nDisallow: /\n")
        for number in range(50):
            add("response", f"https://a.example/{number}", "200 OK", bytes(number % 251 for number in range(number * 999)))
        add("response", "http://b.example/robots.txt", "301 Moved", b"", ("Location", "https://b.example/robots.txt"))
        add("response", "https://b.example/robots.txt", "404 Not Found", b"User-agent: *\nDisallow: /")
        add("response", "https://b.example/ai.txt", "200 OK", b"User-agent: *\nDisallow: /")
        add("response", "https://b.example/blog/ai.txt", "200 OK", b"User-agent: *\nDisallow: /")
    return {"a.example robots": "User-agent: GPTBot\nDisallow: /\n", "b.example ai_txt": "User-agent: *\nDisallow: /"}


@pytest.mark.parametrize("compressed", [True, False])
def test_rules_are_found_in_a_foreign_archive(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "foreign.warc.gz"
    expected = foreign_archive(path, compressed)
    table = gather_host_rules(scan_archive(Location.of(path)))
    assert {f"{row['host']} {row['kind']}": row["text"] for row in table.to_pylist()} == expected


def collected(place: Path, archives: list[Path], settings: RightsSettings | None = None) -> pa.Table:
    """place: of the crawl's artefact and of the attempt."""
    output = Location.of(place / "attempt")
    chosen, cluster = SimpleNamespace(rights=settings or RightsSettings()), SimpleNamespace(data_workers=2)
    ctx = Context(chosen, cluster, {}, [], output, output / WORK, Silent(), "", output)  # type: ignore[arg-type]
    listed = [{"uri": str(path), "bytes": path.stat().st_size} for path in archives]
    return collect_host_rules(ctx, Location.of(place / "crawl"), listed)


def test_a_records_stage_takes_the_crawl_s_table_or_scans_and_adds_what_the_recipe_names(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.warc.gz"
    foreign_archive(foreign, True)
    scanned = collected(tmp_path / "theirs", [foreign])
    assert scanned["host"].to_pylist() == ["a.example", "b.example"]
    ours = gather_host_rules([HostFile("ours.example", "robots", "", "User-agent: *\nDisallow: /")])
    for name in ("ours", "both"):
        (Location.of(tmp_path / name / "crawl") / HOST_RULES).write_bytes(parquet_bytes(ours))
    assert collected(tmp_path / "ours", [foreign]).equals(ours)
    both = collected(tmp_path / "both", [], RightsSettings(host_files=[str(tmp_path / "*.warc.gz")]))
    assert both["host"].to_pylist() == ["a.example", "b.example", "ours.example"]


@pytest.mark.slow
def test_many_archives_are_scanned_by_the_pool_with_the_same_result(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest rules of a host may lie in any of the archives, and a redirect lead into another."""
    archives = [tmp_path / f"{number}.warc.gz" for number in range(4)]
    for path, (url, status, body, *header) in zip(
        archives,
        [
            ("http://a.example/robots.txt", "301 Moved", "", ("Location", "https://www.a.example/robots.txt")),
            ("https://b.example/robots.txt", "200 OK", "User-agent: *\nDisallow: /old"),
            ("https://www.a.example/robots.txt", "200 OK", "User-agent: *\nDisallow: /x"),
            ("https://b.example/robots.txt", "200 OK", "User-agent: *\nDisallow: /new"),
        ],
        strict=True,
    ):
        with path.open("wb") as stream:
            writer = WARCWriter(stream)
            headers = StatusAndHeaders(status, list(header), protocol="HTTP/1.1")
            date = {"WARC-Date": f"2026-01-0{archives.index(path) + 1}T00:00:00Z"}
            writer.write_record(
                writer.create_warc_record(
                    url, "response", io.BytesIO(body.encode()), http_headers=headers, warc_headers_dict=date
                )
            )
    at_once = collected(tmp_path / "here", archives)
    assert [(row["host"], row["text"][-4:]) for row in at_once.to_pylist()] == [
        ("a.example", ": /x"),
        ("b.example", "/new"),
        ("www.a.example", ": /x"),
    ]
    monkeypatch.setattr(host_files, "FEW_BYTES", -1)
    monkeypatch.setattr(host_files, "UNIT_BYTES", 1)
    assert collected(tmp_path / "pool", archives).equals(at_once)
    assert len(shard_records(Location.of(tmp_path / "pool/attempt") / WORK / "host_files")) == len(archives)


def test_the_scan_by_members_sees_every_record_that_a_reader_sees(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All records of a real archive, instead of those at the three addresses: none may be skipped or invented."""
    seen: list[int] = []
    monkeypatch.setattr(host_files, "names_rules", lambda head: head.startswith(b"WARC/"))
    for name in ("pages.warc.gz", "dolma-sample-0000.warc.gz"):
        with (shared / "data/warc" / name).open("rb") as stream:
            seen = list(host_files.rules_members(Location.of(shared / "data/warc" / name).open()))
            records = ArchiveIterator(stream)
            assert seen == [records.get_record_offset() for _ in records]


@pytest.mark.parametrize(
    ("damage", "hosts"),
    [
        (lambda data: data[: len(data) // 2], ["a.example"]),
        (lambda data: b"\x1f\x8b\x08" + data[50:], ["a.example", *["b.example"] * 3]),
        (lambda _: b"", []),
    ],
)
def test_a_damaged_archive_gives_what_can_be_read(tmp_path: Path, damage: Callable[[bytes], bytes], hosts: list[str]) -> None:
    path = tmp_path / "foreign.warc.gz"
    foreign_archive(path, True)
    path.write_bytes(damage(path.read_bytes()))
    assert [file.host for file in scan_archive(Location.of(path))] == hosts


RULES = b"User-agent: GPTBot\nDisallow: /\n"


def answer(url: str, body: bytes, *headers: str) -> bytes:
    http = "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode() + body
    named = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
    about = f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    return (named + about).encode() + http + b"\r\n\r\n"


def crawl(pages: int = 20, body: bytes = b"<p>words") -> list[bytes]:
    """robots.txt of ten hosts, each in front of some pages; none is the first record."""
    records = []
    for host in range(10):
        records += [answer(f"http://h{host}.example/{page}", b"%d %d " % (host, page) + body) for page in range(pages)]
        records.append(answer(f"http://h{host}.example/robots.txt", RULES))
    return records


def members(records: list[bytes]) -> bytes:
    return b"".join(map(gzip.compress, records))


@pytest.mark.parametrize(
    "pack",
    [
        lambda records: b"".join(records),
        members,
        lambda records: b"".join(pa.compress(record, "zstd", asbytes=True) for record in records),
        lambda records: gzip.compress(b"".join(records)),
        lambda records: b"".join(gzip.compress(b"".join(records[at : at + 7])) for at in range(0, len(records), 7)),
        lambda records: members(records[:100]) + gzip.compress(b"".join(records[100:])),
        lambda records: members(records[:100]) + gzip.compress(b"".join(records[100:150])) + members(records[150:]),
    ],
    ids=["plain", "members", "frames", "one member", "sevens", "then one member", "one member between"],
)
def test_rules_are_found_however_many_records_a_gzip_member_holds(tmp_path: Path, pack: Callable[[list[bytes]], bytes]) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(pack(crawl()))
    found = list(scan_archive(Location.of(path)))
    assert [(file.host, file.text) for file in found] == [(f"h{host}.example", RULES.decode()) for host in range(10)]


def test_rules_are_found_everywhere_in_an_archive_of_many_windows(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(members(crawl(4, random.Random(1).randbytes(100_000))))
    assert path.stat().st_size > 3 * host_files.WINDOW
    assert [file.host for file in scan_archive(Location.of(path))] == [f"h{host}.example" for host in range(10)]


def test_an_archive_of_a_record_each_member_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(members(crawl()))
    monkeypatch.setattr(host_files, "read_host_files", None)
    assert len(list(scan_archive(Location.of(path)))) == 10


@pytest.mark.parametrize(
    "pack", [members, b"".join, lambda records: gzip.compress(b"".join(records))], ids=["members", "plain", "one member"]
)
@pytest.mark.parametrize("headers", [["Content-Encoding: gzip"], ["Content-Encoding: gzip", "Transfer-Encoding: chunked"]])
@pytest.mark.parametrize(
    "body",
    [b"\x1f\x8b damaged", b"5\r\ndam", gzip.compress(RULES), b"%x\r\n%s\r\n0\r\n\r\n" % (len(RULES), RULES)],
    ids=["damaged", "cut off", "gzip", "chunked"],
)
def test_a_robots_txt_in_an_encoding_or_none_hides_no_other(
    tmp_path: Path, pack: Callable[[list[bytes]], bytes], headers: list[str], body: bytes
) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(pack([answer("http://odd.example/robots.txt", body, *headers), *crawl(2)]))
    found = [file.host for file in scan_archive(Location.of(path)) if file.host != "odd.example"]
    assert found == [f"h{host}.example" for host in range(10)]


def test_damage_in_an_archive_hides_no_rules_behind_it(tmp_path: Path) -> None:
    path, records = tmp_path / "x.warc", crawl()
    records[3] = b"\0" * 300 + records[3][300:]
    records[30] = records[30].replace(b"Content-Length: ", b"Content-Length: 9")
    path.write_bytes(b"".join(records))
    assert [file.host for file in scan_archive(Location.of(path))] == [f"h{host}.example" for host in range(10)]


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "none", "br"])
def test_the_rules_of_a_host_that_compresses_them_or_only_says_so_count(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.warc.gz"
    packed = gzip.compress(RULES) if encoding.endswith("gzip") else RULES
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    sent = answer("http://a.example/robots.txt", chunks, f"Content-Encoding: {encoding}", "Transfer-Encoding: chunked")
    path.write_bytes(gzip.compress(sent))
    assert [file.text for file in scan_archive(Location.of(path))] == [RULES.decode()]


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_rules_behind_a_byte_order_mark_or_in_utf_16_count(tmp_path: Path, charset: str) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(gzip.compress(answer("http://a.example/robots.txt", RULES.decode().encode(charset))))
    assert [file.text for file in scan_archive(Location.of(path))] == [RULES.decode()]


def test_a_mark_in_front_of_a_robots_txt_hides_none_of_its_rules(tmp_path: Path, shared: Path) -> None:
    trial = shared / "data" / "trials" / "t21-bom.warc.gz"
    hosts = HostRules(collected(tmp_path, [trial]), RightsSettings())
    pages = {url for url, _ in pages_of(trial) if not url.endswith("/robots.txt")}
    assert len(pages) == 3
    assert all(hosts.opt_outs(url) for url in pages)


def pages_of(archive: Path) -> list[tuple[str, bytes]]:
    with archive.open("rb") as stream:
        return [
            (record.rec_headers["WARC-Target-URI"], record.content_stream().read())
            for record in ArchiveIterator(stream)
            if record.rec_type == "response"
        ]


def test_of_a_long_robots_txt_the_beginning_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(gzip.compress(answer("http://a.example/robots.txt", RULES + b"#" * 2_000_000)))
    assert [len(file.text) for file in scan_archive(Location.of(path))] == [host_files.TEXT_BYTES]
