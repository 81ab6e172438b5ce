"""The process that answers: Ray's LLM server around vLLM, cut to what one node needs for a quick start.

Imported where the replica runs (and by the driver while it builds the application), so heavy imports are at the top.
"""

from __future__ import annotations

import os
import traceback
from typing import Any

from ray.llm._internal.serve.core.server.llm_server import LLMServer
from ray.llm._internal.serve.engines.vllm.vllm_engine import VLLMEngine

from cluster.store import Location

MODEL = "PAGELOOM_MODEL"  # where the model is: a path, or an s3:// or gs:// URI
LOG = "PAGELOOM_ENGINE_LOG"  # file on the replica's node that takes what the engine prints; unset: Ray's log of the replica


class Engine(VLLMEngine):
    """vLLM with model and scheduler in one process on CPU.

    Ray asks for vLLM's `mp` executor there, which starts one more process only to import everything once
    more (10 s). Its reason, OpenMP settings of its own, does not hold: OMP_NUM_THREADS is set for the replica.
    """

    def _prepare_engine_config(self, callback_ctx: Any) -> Any:
        engine_args, frontend_args, config = super()._prepare_engine_config(callback_ctx)
        if config.device_config.device_type == "cpu":
            config.parallel_config.distributed_executor_backend = "uni"
        return engine_args, frontend_args, config


class Server(LLMServer):
    """A replica that brings the model to its own node and keeps its noise in a file."""

    _default_engine_cls: Any = Engine

    async def _start_engine(self) -> None:
        """As Ray's, without the task that looks for a model hub (15 s) and the telemetry actor (5 s)."""
        config: Any = self._llm_config
        engine: Any = self.engine
        config.get_or_create_callback().ctx.run_init_node = False
        if place := os.environ.get(LOG):
            with open(place, "a") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
        try:
            with Location.of(os.environ[MODEL]).as_local() as directory:
                config.get_engine_config().hf_model_id = str(directory)
                await engine.start()
        except Exception:
            os.write(2, traceback.format_exc().encode())
            raise
