"""A model behind an OpenAI-compatible endpoint: Ray Serve in front of vLLM."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cluster.errors import RequestError, WorkError
from cluster.recipe import explain
from cluster.runs import LATEST, named_release
from cluster.settings import ClusterSettings
from cluster.store import Location, Store
from serving.engine.preload import preload_quietly
from serving.engine.room import INGRESS_CPUS
from serving.engine.settings import ServeSettings

APPLICATION = "pageloom"
DRAIN_SECONDS = 2  # of an embedded endpoint, which ends with its only user


@dataclass(frozen=True)
class Endpoint:
    """A model that answers. url: base URL for OpenAI clients, ends in /v1. model: the name to ask for."""

    url: str
    model: str


def base_url(settings: ServeSettings) -> str:
    """Where a client on this machine reaches the endpoint."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/v1"


def check_port(settings: ServeSettings) -> None:
    """Refuse a port that cannot be had, before any work. Raises RequestError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise RequestError(
                f"port {settings.port} on {settings.host}: {(error.strerror or str(error)).lower()}; "
                f"stop what listens there, or choose another with --set serve.port={settings.port % 65535 + 1}"
            ) from error


def check_model(model: Location, settings: ServeSettings) -> None:
    """Refuse a directory that vLLM could not serve as a chat model. Raises RequestError."""
    present = set(model.files())
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if name not in present:
            raise RequestError(f"{model}: no {name}, so not a model directory; name one that a stage made (aligned, release)")
    if "chat_template.jinja" not in present and "chat_template" not in (model / "tokenizer_config.json").read_json():
        raise RequestError(f"{model}: its tokenizer has no chat template; save one with the tokenizer")
    longest = (model / "config.json").read_json().get("max_position_embeddings")
    if settings.context and longest and settings.context > longest:
        raise RequestError(f"serve.context {settings.context}: the model was made for {longest} tokens; set that or less")


def released_name(model: Location) -> str:
    """What the model card calls it, and so what clients do. Raises RequestError for a directory that is no release."""
    place = model / "release.json"
    if not place.exists():
        raise RequestError(f"{model}: no release.json, so no release; name the directory that one was copied to")
    return place.read_json()["name"]


def check_question(model: Location, settings: ServeSettings) -> None:
    """Refuse a question that leaves no room for an answer. Raises RequestError."""
    from tokenizers import Tokenizer

    room = settings.context or (model / "config.json").read_json().get("max_position_embeddings")
    tokens = len(Tokenizer.from_str((model / "tokenizer.json").read_bytes().decode()).encode(settings.question).ids)
    if room and tokens >= room:
        raise RequestError(f"serve.question has {tokens} tokens, the model reads {room} with its answer; ask something shorter")


@cache
def warm() -> threading.Thread:
    """Begin to import what `start` needs, in the background: worth it as soon as a run knows that it will serve."""

    def work() -> None:
        with suppress(ImportError):  # `start` imports again, where it can be said
            preload_quietly()

    thread = threading.Thread(target=work, daemon=True, name="preload")
    thread.start()
    return thread


class Served(BaseModel):
    """What `build` serves, and how: the `args` of an application in Serve's own configuration."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, description="a model's directory: a path, or an s3:// or gs:// URI")
    root: str | None = Field(None, description="instead of `model`: the root of a release")
    release: str = Field(LATEST, description="which release of that root: a ref, a key or the beginning of one")
    name: str | None = Field(None, description="what clients call the model; default: what its release says")
    serve: ServeSettings = Field(default_factory=lambda: ServeSettings(), description="the recipe's `serve` section")
    gpus: float = Field(0, ge=0, description="GPUs of each engine; 0: CPU")
    drain_seconds: float | None = Field(
        None, gt=0, description="what a replica that goes is given for its answers; default: theirs"
    )
    log: str | None = Field(None, description="a file on the replica's node that takes what the engine prints; default: Ray's")

    @model_validator(mode="after")
    def _one_place(self) -> Served:
        if (self.model is None) == (self.root is None):
            raise ValueError("name `model`, or the `root` of its release: one of them")
        return self

    def location(self) -> Location:
        """Where the model is. Raises RequestError where the root has no such release."""
        if self.root is not None:
            return named_release(Store(self.root), self.release).location
        return Location.of(str(self.model))


def build(args: dict[str, Any]) -> Any:
    """The Ray Serve application that `args` (see `Served`) describe: of embedded runs, of `serve deploy`, of a RayService.

    Raises RequestError for arguments that are none, a release that is not there, a directory that is no chat model.
    """
    try:
        served = Served.model_validate(args)
    except ValidationError as error:
        raise RequestError(f"serving.engine.app:build: {explain(error, Served)}") from error
    model = served.location()
    check_model(model, served.serve)
    return application(model, served.name or released_name(model), served)


def application(model: Location, name: str, served: Served) -> Any:
    """An OpenAI ingress and vLLM replicas, `serve.replicas` of each. Imports vLLM."""
    from ray.serve.llm import LLMConfig, build_openai_app

    from serving.engine import replica

    settings, gpus = served.serve, served.gpus
    environment = {
        replica.MODEL: str(model),
        "OMP_NUM_THREADS": str(settings.threads),
        "RAYLLM_ENABLE_REQUEST_PROMPT_LOGS": "0",  # what people ask stays out of logs
        "VLLM_LOGGING_LEVEL": "INFO",
        **({replica.LOG: served.log} if served.log else {}),
    }
    hook: dict[str, Any] = {"worker_process_setup_hook": "serving.engine.preload.preload"}
    limits = {
        "max_ongoing_requests": settings.max_requests,
        "max_queued_requests": settings.max_queued,
        "num_replicas": settings.replicas,
        "graceful_shutdown_timeout_s": served.drain_seconds or settings.answer_seconds,
        "graceful_shutdown_wait_loop_s": 0.2,
        "max_constructor_retry_count": 1,  # an engine that fails to start fails again
    }
    engine = {
        "kv_cache_memory_bytes": settings.kv_cache_mb << 20,
        "max_num_seqs": settings.max_requests,
        "override_generation_config": {"max_new_tokens": settings.max_tokens},
        "dtype": "auto" if gpus else "float32",  # bfloat16 is 2-4 times slower on CPUs without its instructions
        "enforce_eager": not gpus,  # compiling takes a minute on CPU
        **({"max_model_len": settings.context} if settings.context else {}),
    }
    config = LLMConfig(
        model_loading_config={"model_id": name, "model_source": name},
        engine_kwargs=engine,
        accelerator_config={"kind": "gpu" if gpus else "cpu"},
        placement_group_config={"bundles": [{"CPU": settings.threads} | ({"GPU": gpus} if gpus else {})]},
        deployment_config={**limits, "ray_actor_options": {"num_cpus": 0}},  # the bundle is the replica's too
        experimental_configs={"stream_batching_interval_ms": 0},  # 50 by default: each token would wait for that long
        runtime_env={"env_vars": environment, **hook},
        server_cls=replica.Server,
    )
    ingress = {**limits, "ray_actor_options": {"num_cpus": INGRESS_CPUS, "runtime_env": {"env_vars": environment, **hook}}}
    return build_openai_app({"llm_configs": [config], "ingress_deployment_config": ingress})


def start(model: Location, name: str, settings: ServeSettings, cluster: ClusterSettings, logs: Path) -> Endpoint:
    """Serve the model in a directory as `name` in the running Ray session; returns once it has produced a token.

    logs: local directory; the engine's own output goes to `engine.log` there.
    Raises RequestError where port or model cannot be served, WorkError where the engine fails.
    """
    check_port(settings)
    check_model(model, settings)
    check_question(model, settings)
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / "engine.log"
    warming = warm()  # goes on beside Ray Serve's own start
    from ray import serve

    serve.start(http_options={"host": settings.host, "port": settings.port}, proxy_location="HeadOnly")
    warming.join()
    endpoint = Endpoint(base_url(settings), name)
    args = {
        "model": str(model),
        "name": name,
        "serve": settings.model_dump(),
        "gpus": cluster.gpus_per_worker,
        "drain_seconds": DRAIN_SECONDS,
        "log": str(log),
    }
    try:
        serve.run(build(args), name=APPLICATION)
        produce_token(endpoint)
    except Exception as error:
        raise WorkError(f"the engine did not start: {reason(log, error)}; its log: {log}") from error
    return endpoint


def produce_token(endpoint: Endpoint) -> None:
    """Have the model say one token over HTTP: the only proof that it can answer."""
    from openai import OpenAI

    client = OpenAI(base_url=endpoint.url, api_key="none", timeout=120, max_retries=0)
    client.chat.completions.create(model=endpoint.model, messages=[{"role": "user", "content": "?"}], max_tokens=1)


def reason(log: Path, error: Exception) -> str:
    """The root cause in one line: the first exception in the engine's log, else what the caller saw."""
    text = log.read_text(errors="replace") if log.exists() else ""
    noise = r"(?:\(\S+ pid=\d+\) )?(?:ERROR \S+ \S+ \[\S+\] )?"
    found = re.findall(rf"^{noise}(?:\w+\.)*(\w+(?:Error|Exception): .+(?:\n  .+)?)$", text, re.MULTILINE)
    said = [line for line in str(error).splitlines() if line.strip()]
    message = found[0] if found else ": ".join([type(error).__name__, *said[-1:]])
    return " ".join(message.split())[:300]


def stop() -> None:
    """Take the endpoint down; the Ray session stays."""
    from ray import serve

    serve.shutdown()
