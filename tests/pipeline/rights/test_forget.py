"""The list of pages to forget: what is on it, what it means, and how it enters the key of the pages."""

from __future__ import annotations

import contextlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from cluster.errors import RequestError, WorkError
from cluster.fields import key_values
from cluster.plan import Planned, make_plan
from cluster.recipe import load_recipe, recipe_model
from cluster.stage import Stage
from cluster.store import Location, Manifest, Store
from pipeline.rights.forget import FORGET, Entry, Forgotten, entries, entry, read_forgotten, remember
from pipeline.stages import STAGES
from pipeline.url import canonical_url


def test_an_entry_is_kept_once_with_its_first_reason(tmp_path: Path) -> None:
    root = Location.of(tmp_path)
    assert remember(root, entry("url", "https://h.example/a", "asked by mail"))
    assert not remember(root, entry("url", "HTTP://H.example:80/a#b", "again"))
    assert remember(root, entry("host", "H.Example"))
    assert [(each.kind, each.value, each.reason) for each in entries(root) if each.kind == "url"] == [
        ("url", "h.example/a", "asked by mail")
    ]
    assert len(entries(root)) == 2
    assert all(each.time.endswith("Z") for each in entries(root))


def test_many_may_add_at_the_same_time_and_nothing_is_lost(tmp_path: Path) -> None:
    root = Location.of(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: remember(root, entry("url", f"https://h.example/{number % 40}")), range(200)))
    assert {each.value for each in entries(root)} == {f"h.example/{number}" for number in range(40)}


def test_the_list_lives_in_an_object_store_too(s3_root: str) -> None:
    root = Location.of(s3_root)
    assert entries(root) == []
    assert remember(root, entry("host", "h.example"))
    assert not remember(root, entry("host", "h.example"))
    assert [str(each) for each in entries(root)] == ["host h.example"]


def test_a_file_that_is_no_entry_is_named(tmp_path: Path) -> None:
    (tmp_path / FORGET).mkdir()
    (tmp_path / FORGET / "x.json").write_text("{}")
    with pytest.raises(RequestError, match=r"x\.json: not an entry of the list to forget; remove the file or restore it"):
        entries(Location.of(tmp_path))


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("url", "h.example/a", "--url h.example/a: not a whole address; give it with its scheme, such as https://"),
        ("url", "h.example:8080/a", "or name the record by --warc-record FILE@OFFSET"),
        ("host", "https://h.example/", "--host https://h.example/: not a host's name; give it as example.org"),
        ("host", "", "--host : not a host's name"),
        ("host", "*", "--host *: not a host's name"),
        ("host", "www.*.org", "--host www.*.org: not a host's name"),
        ("host", "[::1][", "--host [::1][: not a host's name"),
        ("host", "two words", "--host two words: not a host's name"),
        ("warc_record", "a.warc.gz", "--warc-record a.warc.gz: give FILE@OFFSET, as `pageloom trace URL` prints them"),
        ("warc_record", "a.warc.gz@-1", "give FILE@OFFSET"),
        ("warc_record", "@7", "give FILE@OFFSET"),
    ],
)
def test_what_names_nothing_is_refused(kind: str, value: str, words: str) -> None:
    with pytest.raises(RequestError) as refused:
        entry(kind, value)  # type: ignore[arg-type]
    assert words in str(refused.value)


def listed(**named: str) -> Forgotten:
    return pickle.loads(pickle.dumps(Forgotten(entry(kind, value) for kind, value in named.items())))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "forgotten"),
    [
        ("https://h.example/a", True),
        ("http://h.example/a", True),
        ("https://h.example/a/", False),
        ("https://h.example/a?x", False),
        ("https://www.h.example/a", False),
        ("https://h.example:8443/a", False),
        ("", False),
        ("file:///h.example/a", False),
        ("http://[bad/a", False),
    ],
)
def test_a_url_means_that_page_with_either_scheme(url: str, forgotten: bool) -> None:
    assert bool(listed(url="https://h.example/a").match(url, "f", 0)) == forgotten


@pytest.mark.parametrize(
    ("url", "forgotten"),
    [
        ("https://h.example/", True),
        ("http://h.example:81/x?y", True),
        ("https://deep.www.h.example/", True),
        ("https://H.EXAMPLE/", True),
        ("https://nh.example/", False),
        ("https://h.example.org/", False),
        ("https://example/", False),
    ],
)
def test_a_host_means_its_sub_domains_and_ports(url: str, forgotten: bool) -> None:
    assert bool(listed(host="h.example").match(url, "f", 0)) == forgotten


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("example.org", "http://example.org./x"),
        ("OTHER.org.", "http://other.org/x"),
        ("other.org", "http://deep.other.org./x"),
        ("*.example.org", "http://www.example.org/"),
        ("*.example.org", "http://example.org/"),
        (".example.org", "http://www.example.org/"),
        ("[::1]", "http://[::1]/x"),
        ("[::1]", "http://[0:0::1]:8080/x"),
        ("[::1]:81", "http://[::1]:81/x"),
        ("bücher.example", "http://www.xn--bcher-kva.example/"),
        ("xn--bcher-kva.example", "http://bücher.example./"),
        ("xn--a.com", "http://xn--a.com/"),
        ("a.org", "http://u[:p@a.org/x"),
    ],
)
def test_a_host_is_matched_in_every_spelling(host: str, url: str) -> None:
    assert listed(host=host).match(url, "f", 0)
    assert not listed(host=host).match("http://unrelated.example/", "f", 0)


@pytest.mark.parametrize("url", ["file:///data/a b.html", "s3://bucket/x.html", "http://u[:p@a.org/x", "urn:isbn:0"])
def test_an_address_that_is_none_of_the_web_is_forgotten_as_it_is_spelled(url: str) -> None:
    assert listed(url=url).match(url, "f", 0) == f"url {url}"
    assert not listed(url=url).match(f"{url}x", "f", 0)


@pytest.mark.parametrize(
    ("kind", "value", "url"),
    [
        ("host", "h.example.", "http://h.example/"),
        ("url", "h.example./a", "http://h.example./a"),
        ("url", "u@h.example/a", "https://u@h.example/a"),
        ("url", "h.example:80/a", "https://h.example:80/a"),
    ],
)
def test_an_entry_in_an_older_spelling_still_counts(kind: str, value: str, url: str) -> None:
    assert Forgotten([Entry(kind=kind, value=value)]).match(url, "f", 0)  # type: ignore[arg-type]


def test_a_host_with_a_port_means_that_port_alone() -> None:
    assert listed(host="h.example:81").match("http://h.example:81/x", "f", 0) == "host h.example:81"
    assert listed(host="h.example:81").match("http://h.example/x", "f", 0) == ""


def test_a_record_is_named_by_the_end_of_its_file_s_name_and_its_offset() -> None:
    forgotten = listed(warc_record="warc/crawl-000000.warc.gz@117")
    assert forgotten.match("", "warc/crawl-000000.warc.gz", 117) == "warc record warc/crawl-000000.warc.gz@117"
    assert forgotten.match("", "s3://bucket/x/warc/crawl-000000.warc.gz", 117)
    assert not forgotten.match("", "s3://bucket/otherwarc/crawl-000000.warc.gz", 117)
    assert not forgotten.match("", "otherwarc/crawl-000000.warc.gz", 117)
    assert not forgotten.match("", "warc/crawl-000000.warc.gz", 118)


hosts = st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,6}){1,2}", fullmatch=True) | st.sampled_from(["bücher.example", "日本.example"])
paths = st.lists(st.text("abc ü~-_.é%", min_size=1, max_size=5).filter(lambda each: each.strip(".")), max_size=3)


@given(host=hosts, path=paths, query=st.text("ab=1", max_size=4), seed=st.integers(0, 255))
def test_every_spelling_of_a_url_is_the_same_page(host: str, path: list[str], query: str, seed: int) -> None:
    """Case of scheme and host, default port, fragment, needless or missing percent-encoding (RFC 3986, section 6.2.2)."""
    plain = "/".join(quote(each, safe="") for each in path)
    odd = "/".join(quote(each, safe="~") if seed & 1 else "".join(f"%{byte:02x}" for byte in each.encode()) for each in path)
    ending = f"?{query}" if query else ""
    named = f"https://{host}/{plain}{ending}"
    spelled = f"{'HTTPS' if seed & 2 else 'https'}://{host.upper() if seed & 4 and host.isascii() else host}"
    spelled += f"{':443' if seed & 8 else ''}/{odd}{ending}{'#part' if seed & 16 else ''}"
    assert listed(url=named).match(spelled, "f", 0)
    assert listed(url=spelled).match(named, "f", 0)
    assert listed(url=named).match(canonical_url(spelled) or "", "f", 0)
    assert not listed(url=named).match(f"https://{host}/{plain}x{ending}", "f", 0)


@given(st.text(st.characters(), max_size=40))
def test_nothing_that_an_archive_calls_a_url_raises(url: str) -> None:
    for forgotten in (listed(url="http://h/a"), listed(host="h"), listed(host="h:81"), Forgotten([])):
        for each in (url, f"http://{url}", f"http://h{url}"):
            assert forgotten.match(each, "f", 0) in ("", "host h", "host h:81", "url h/a")


@given(st.sampled_from(["url", "host", "warc_record"]), st.text(st.characters(), max_size=20), st.sampled_from(["", "http://"]))
def test_whatever_is_named_is_an_entry_or_is_refused_in_one_line(kind: str, value: str, scheme: str) -> None:
    with contextlib.suppress(RequestError):
        named = entry(kind, scheme + value)  # type: ignore[arg-type]
        assert Entry.model_validate_json(named.model_dump_json()).name == named.name


# Keys


class Nothing(BaseModel):
    x: int = 1


IDLE = f"{__name__}:never_run"


LINE = (
    Stage("crawl", "crawl", Nothing, "1", IDLE),
    Stage("pages", "pages", Nothing, "1", IDLE, needs=("crawl",), root_lists=(FORGET,)),
    Stage("base", "base", Nothing, "1", IDLE, needs=("pages",)),
)


def planned(store: Store) -> list[Planned]:
    return make_plan(load_recipe(recipe_model(LINE), None, ["root=x"]), LINE, store)


@pytest.fixture
def empty_quickstart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.recipe.read_recipe", lambda _: {"name": "quickstart"})


def commit(store: Store, plan: list[Planned]) -> None:
    for each in plan:
        settings = each.settings.model_dump(mode="json")
        manifest = Manifest(
            each.stage.name,
            each.key,
            settings,
            each.parents,
            each.external,
            each.stage.version,
            "0",
            0,
            1,
            1,
            0,
            "h",
            values=key_values(each.settings),
        )
        store.commit(store.attempt(each.stage.name, each.key), manifest)


def test_forgetting_makes_the_pages_and_what_follows_stale_but_not_the_crawl(tmp_path: Path, empty_quickstart: None) -> None:
    store = Store(tmp_path)
    before = [each.key for each in planned(store)]
    commit(store, planned(store))
    remember(store.root, entry("host", "h.example"))
    after = planned(store)
    assert [(each.stage.name, each.state, each.why) for each in after] == [
        ("crawl", "done", ""),
        ("pages", "stale", "forget/ 0 -> 1 entries"),
        ("base", "stale", "pages changed"),
    ]
    assert after[0].key == before[0]
    commit(store, after)
    assert {each.state for each in planned(store)} == {"done"}
    remember(store.root, entry("host", "h.example", "said twice"))
    assert {each.state for each in planned(store)} == {"done"}


def test_the_same_list_gives_the_same_key_under_any_root(tmp_path: Path, empty_quickstart: None) -> None:
    keys = []
    for name in ("one", "two"):
        store = Store(tmp_path / name)
        for host in ("a.example", "b.example") if name == "one" else ("b.example", "a.example"):
            remember(store.root, entry("host", host, name))
        keys.append([each.key for each in planned(store)])
    assert keys[0] == keys[1]


def test_a_run_whose_list_has_grown_says_so_instead_of_using_it(tmp_path: Path, empty_quickstart: None) -> None:
    store = Store(tmp_path)
    assert not read_forgotten(store.root, planned(store)[1].external)
    remember(store.root, entry("host", "a.example"))
    plan = planned(store)[1]
    assert read_forgotten(store.root, plan.external).match("http://a.example/", "", 0)
    remember(store.root, entry("host", "b.example"))
    with pytest.raises(WorkError, match="pages were forgotten after this run had begun; run again"):
        read_forgotten(store.root, plan.external)


def test_the_pages_stage_reads_the_list() -> None:
    assert [stage.name for stage in STAGES if FORGET in stage.root_lists] == ["pages"]
