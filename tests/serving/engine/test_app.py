import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from cluster.errors import RequestError
from cluster.resources import Node
from cluster.settings import ClusterSettings
from cluster.store import Location
from serving.client.chat import talk
from serving.engine.app import base_url, check_model, check_port, check_question, reason
from serving.engine.room import check_room
from serving.engine.settings import ServeSettings


def test_a_taken_port_is_refused_by_name_with_the_remedy() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(
            RequestError, match=rf"^port {port} on 127\.0\.0\.1: address already in use; .* --set serve\.port=\d+$"
        ):
            check_port(ServeSettings(port=port))


def recipe(threads: int, gpus: float = 0, replicas: int = 1) -> Any:
    return SimpleNamespace(
        serve=ServeSettings(threads=threads, replicas=replicas), cluster=ClusterSettings(gpus_per_worker=gpus)
    )


def test_a_cluster_without_room_is_refused_before_anything_waits() -> None:
    own = [Node(4, more="cluster.cpus")]
    check_room(recipe(threads=3), own)
    ways = r"raise cluster\.cpus or lower serve\.threads$"
    with pytest.raises(RequestError, match=r"^serving: no room for 1 x ingress \(0\.5 CPU\), .* on 1 node \(4 CPU\); " + ways):
        check_room(recipe(threads=4), own)
    with pytest.raises(RequestError, match=r"^serving: no room for 1 x engine \(1 CPU, 1 GPU\), .*; lower .*gpus_per_worker$"):
        check_room(recipe(threads=1, gpus=1), own)


def test_every_engine_books_its_own_room() -> None:
    check_room(recipe(threads=1, replicas=2), [Node(3)])
    with pytest.raises(
        RequestError, match=r"no room for 1 x ingress \(0\.5 CPU\), .*; lower serve\.threads or serve\.replicas$"
    ):
        check_room(recipe(threads=1, replicas=2), [Node(2.5)])


def test_a_free_port_stays_free_for_the_endpoint(free_port: int) -> None:
    check_port(ServeSettings(port=free_port))
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", free_port))


def test_a_directory_that_is_no_chat_model_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    model, settings = Location.of(tmp_path), ServeSettings()
    with pytest.raises(RequestError, match=r"no config\.json, so not a model directory"):
        check_model(model, settings)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(RequestError, match="its tokenizer has no chat template"):
        check_model(model, settings)
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    check_model(model, settings)


def test_more_context_than_the_model_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512}')
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    check_model(Location.of(tmp_path), ServeSettings(context=512))
    with pytest.raises(RequestError, match=r"^serve\.context 513: the model was made for 512 tokens"):
        check_model(Location.of(tmp_path), ServeSettings(context=513))


def test_talking_to_nobody_says_what_to_start(free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}/v1"
    with pytest.raises(RequestError, match=rf"^no endpoint at {url}: start one with `pageloom run`$"):
        talk(url, ServeSettings())


def test_the_reason_of_a_failed_start_is_the_first_exception_of_the_engine(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text(
        "(EngineCore pid=7) INFO 11-22 01:57:08 [a.py:1] fine\n"
        "(EngineCore pid=7) ERROR 11-22 01:57:09 [core.py:12] Traceback (most recent call last):\n"
        "(EngineCore pid=7) ERROR 11-22 01:57:09 [core.py:12] inner.errors.ValueError: Head size 16 is not supported\n"
        "RuntimeError: Engine core initialization failed. See root cause above.\n"
    )
    assert reason(log, RuntimeError("deploy failed")) == "ValueError: Head size 16 is not supported"
    log.write_text("RuntimeError: Failed to create vLLM engine config: 1 validation error\n  Value error, no such model\nx\n")
    assert (
        reason(log, RuntimeError())
        == "RuntimeError: Failed to create vLLM engine config: 1 validation error Value error, no such model"
    )
    assert reason(tmp_path / "absent", TimeoutError("first\nlast")) == "TimeoutError: last"


def test_a_failure_without_words_is_told_by_its_name(tmp_path: Path) -> None:
    assert reason(tmp_path / "no.log", TimeoutError()) == "TimeoutError"
    assert reason(tmp_path / "no.log", TimeoutError("\n\n")) == "TimeoutError"
    assert reason(tmp_path / "no.log", ValueError("x\nlast\n\n")) == "ValueError: last"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/v1"),
        ("0.0.0.0", "http://127.0.0.1:8000/v1"),
        ("::1", "http://[::1]:8000/v1"),
        ("::", "http://[::1]:8000/v1"),
        ("fe80::2", "http://[fe80::2]:8000/v1"),
    ],
)
def test_the_address_for_clients_is_a_valid_url_whatever_the_host(host: str, url: str) -> None:
    assert base_url(ServeSettings(host=host)) == url


def test_a_question_longer_than_the_model_reads_is_refused_before_the_engine_starts(tmp_path: Path) -> None:
    words = Tokenizer(models.WordLevel({"word": 0, "?": 1}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 8}')
    model = Location.of(tmp_path)
    check_question(model, ServeSettings(question="word " * 7))
    with pytest.raises(RequestError, match=r"^serve\.question has 8 tokens, the model reads 8 with its answer; ask something"):
        check_question(model, ServeSettings(question="word " * 8))
    check_question(model, ServeSettings(question="word " * 8, context=9))
