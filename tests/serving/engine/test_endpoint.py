"""One endpoint, really served by Ray Serve and vLLM from an S3 root, asked in every way a user may ask."""

from __future__ import annotations

import concurrent.futures
import io
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import psutil
import pytest
import ray

from cluster.errors import WorkError
from cluster.session import Embedded, Session
from cluster.settings import ClusterSettings
from cluster.store import Location
from serving.client.ask import ask, curl_line
from serving.client.chat import talk
from serving.engine.app import Endpoint, start, stop
from serving.engine.room import endpoint
from serving.engine.settings import ServeSettings
from tests.conftest import reach_s3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

QUESTION = "What does the json module do?"
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write_model(directory: Path) -> None:
    """A Llama of 0.4M random weights with an ASCII byte-level BPE tokenizer, greedy by default."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"]
    alphabet = ["Ġ", *map(chr, range(33, 127))]  # ASCII only: every token is a whole character
    bpe.train_from_iterator(
        [QUESTION] * 9, trainers.BpeTrainer(vocab_size=128, special_tokens=special, initial_alphabet=alphabet)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|end|>", pad_token="<|pad|>")
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        initializer_range=0.2,  # far from ties: greedy choices do not hang on rounding
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    greedy_by_default = {"temperature": 0.0, "eos_token_id": tokenizer.eos_token_id}
    (directory / "generation_config.json").write_text(json.dumps(greedy_by_default))


def greedy(directory: Path, messages: list[dict[str, str]], tokens: int) -> str:
    """What transformers says: the answer to compare with."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)[
        "input_ids"
    ]
    said = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens)[0, ids.shape[1] :]
    return tokenizer.decode(said, skip_special_tokens=True)


@dataclass
class Served:
    endpoint: Endpoint
    settings: ServeSettings
    model: Path
    session: Session
    logs: Path
    seconds: float


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, s3_server: str, no_ray: None) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("served")
    write_model(place / "model")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = ServeSettings(port=port, max_tokens=24, max_requests=4, max_queued=4, kv_cache_mb=16)
    with pytest.MonkeyPatch.context() as environment:
        reach_s3(environment, s3_server)
        httpx.put(f"{s3_server}/served").raise_for_status()
        release = Location.of("s3://served/root/release/key")
        release.upload(place / "model")
        cluster = ClusterSettings(dashboard=False, object_store_mb=100)
        session = Embedded(cluster)
        session.start()
        try:
            began = time.monotonic()
            endpoint = start(release, "tiny", settings, cluster, place / "logs")
            yield Served(endpoint, settings, place / "model", session, place / "logs", time.monotonic() - began)
        finally:
            session.stop()


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_the_answer_is_what_transformers_says_greedily(served: Served) -> None:
    answer = ask(served.endpoint, QUESTION, served.settings)
    assert answer.text == greedy(served.model, user(QUESTION), 24)
    assert 1 <= answer.tokens <= 24


def test_the_endpoint_books_the_room_that_it_declares(served: Served) -> None:
    declared = endpoint(SimpleNamespace(serve=served.settings, cluster=ClusterSettings()))
    booked = ray.cluster_resources()["CPU"] - ray.available_resources()["CPU"]
    assert booked == pytest.approx(sum(bundle.cpu for bundle in declared))


def test_a_streamed_answer_is_the_same_and_begins_before_it_ends(served: Served) -> None:
    streamed, whole = (ask(served.endpoint, QUESTION, served.settings, stream=stream) for stream in (True, False))
    assert (streamed.text, streamed.tokens, streamed.finish_reason) == (whole.text, whole.tokens, whole.finish_reason)
    assert 0 < streamed.first_token_seconds < streamed.seconds


def test_the_curl_line_gets_the_same_answer(served: Served) -> None:
    if not shutil.which("curl"):
        pytest.skip("no curl here")
    done = subprocess.run(
        ["bash", "-c", curl_line(served.endpoint, QUESTION, served.settings)], capture_output=True, check=True
    )
    answer = httpx.Response(200, content=done.stdout).json()
    assert answer["choices"][0]["message"]["content"] == greedy(served.model, user(QUESTION), 24)


def test_an_answer_is_never_longer_than_the_recipe_allows(served: Served) -> None:
    body = {"model": "tiny", "messages": user("go on"), "ignore_eos": True}
    for limit in ({}, {"max_tokens": 400}):
        answer = httpx.post(f"{served.endpoint.url}/chat/completions", json=body | limit, timeout=60).json()
        assert answer["usage"]["completion_tokens"] == 24


def test_a_conversation_keeps_its_history_until_reset(served: Served) -> None:
    lines = iter(["first", "second", "/reset", "second"])

    def read(_: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    out = io.StringIO()
    talk(served.endpoint.url, served.settings, read, out)
    one = greedy(served.model, user("first"), 24)
    history = [*user("first"), {"role": "assistant", "content": one}, *user("second")]
    two, alone = greedy(served.model, history, 24), greedy(served.model, user("second"), 24)
    assert two != alone
    assert out.getvalue().split("\n", 1)[1] == f"tiny> {one}\ntiny> {two}\na new conversation\ntiny> {alone}\n\n"


def test_requests_beyond_the_queue_are_refused_and_the_others_answered(served: Served) -> None:
    def post(number: int) -> int:
        body = {"model": "tiny", "messages": user(f"count to {number}"), "ignore_eos": True}
        return httpx.post(f"{served.endpoint.url}/chat/completions", json=body, timeout=120).status_code

    with concurrent.futures.ThreadPoolExecutor(48) as pool:
        codes = list(pool.map(post, range(48)))
    assert set(codes) == {200, 503}
    assert codes.count(200) >= served.settings.max_queued


def test_an_unknown_model_and_a_too_long_question_are_the_callers_fault(served: Served) -> None:
    client = openai.OpenAI(base_url=served.endpoint.url, api_key="none", max_retries=0)
    messages: Any = user("?")
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="other", messages=messages)
    messages = user("much too long " * 500)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="tiny", messages=messages)


def test_the_endpoint_listens_on_loopback_only(served: Served) -> None:
    ports = {served.settings.port}
    addresses = {
        each.laddr.ip
        for each in psutil.net_connections("tcp")
        if each.laddr and each.laddr.port in ports and each.status == "LISTEN"
    }
    assert addresses == {"127.0.0.1"}


def test_what_people_ask_is_in_no_log(served: Served) -> None:
    secret = "the code word is heliotrope"
    ask(served.endpoint, secret, served.settings)
    places = [served.logs, served.session.logs]
    logs = [
        file
        for place in places
        if place
        for file in place.rglob("*")
        if file.is_file() and file.suffix in (".log", ".err", ".out")
    ]
    assert len(logs) > 5
    assert [file for file in logs if b"heliotrope" in file.read_bytes()] == []


def holders(log: Path) -> list[psutil.Process]:
    """Processes that write to an engine's log: the replica, its ingress and the engine itself."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PAGELOOM_ENGINE_LOG") == str(log):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_stopping_takes_seconds_and_leaves_no_process(served: Served) -> None:
    serving = holders(served.logs / "engine.log")
    assert len(serving) >= 3
    began = time.monotonic()
    stop()
    assert time.monotonic() - began < 10
    assert psutil.wait_procs(serving, timeout=10)[1] == []
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{served.endpoint.url}/models", timeout=5)


def test_an_engine_that_cannot_start_says_why_in_one_line_and_where_its_log_is(served: Served, tmp_path: Path) -> None:
    """After the endpoint was stopped, since it takes its place."""
    broken = tmp_path / "broken"
    shutil.copytree(served.model, broken)
    (broken / "model.safetensors").write_bytes(b"no weights at all")
    cluster = served.session.settings
    with pytest.raises(WorkError, match=r"^the engine did not start: \w*Error.*; its log: .*engine\.log$") as failed:
        start(Location.of(broken), "broken", served.settings, cluster, tmp_path / "logs")
    assert "\n" not in str(failed.value)
    assert "SafetensorError: Error while deserializing header" in str(failed.value)
    assert "pid=" in (tmp_path / "logs" / "engine.log").read_text()
