"""The recipe's `serve` section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ServeSettings(BaseModel):
    """The recipe's `serve` section. Nothing here changes an artefact."""

    model_config = ConfigDict(extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen at; loopback unless something guards the endpoint")
    port: int = Field(8000, ge=1, le=65535, description="TCP port of the endpoint")
    question: str = Field("What does json.dumps do?", min_length=1, description="what a run asks its model at the end")
    max_tokens: int = Field(96, ge=1, description="most tokens of one answer, also where a request names no limit")
    context: int | None = Field(None, ge=8, description="tokens of prompt and answer together; None: the model's own")
    kv_cache_mb: int = Field(256, ge=16, description="MiB for keys and values of running requests (vLLM kv_cache_memory_bytes)")
    max_requests: int = Field(16, ge=1, description="requests answered at the same time; the engine batches them")
    max_queued: int = Field(64, ge=1, description="requests that may wait beyond these; further ones get HTTP 503")
    threads: int = Field(1, ge=1, description="CPU threads of the engine; more than 1 pays on idle cores only")
    replicas: int = Field(1, ge=1, description="engines that answer; two, so that one may go without a failed request")
    answer_seconds: float = Field(
        120,
        gt=0,
        description="on a cluster: longest that an answer takes; a replica or node that goes waits so long for its answers",
    )
