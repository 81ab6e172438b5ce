"""One question to an endpoint, and the command line that repeats it."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from typing import Any

from serving.engine.app import Endpoint
from serving.engine.settings import ServeSettings


@dataclass(frozen=True)
class Answer:
    """What the model said. first_token_seconds equals seconds where the answer was not streamed."""

    text: str
    tokens: int
    finish_reason: str
    first_token_seconds: float
    seconds: float


def request(endpoint: Endpoint, question: str, settings: ServeSettings) -> dict[str, Any]:
    """The body of a chat completion: greedy, so that asking again gives the same answer."""
    messages = [{"role": "user", "content": question}]
    return {"model": endpoint.model, "messages": messages, "max_tokens": settings.max_tokens, "temperature": 0}


def ask(endpoint: Endpoint, question: str, settings: ServeSettings, stream: bool = False) -> Answer:
    """Ask one question through the `openai` client.

    Raises openai.APIError where the endpoint refuses or fails.
    """
    from openai import OpenAI

    began = time.perf_counter()
    with OpenAI(base_url=endpoint.url, api_key="none", max_retries=0) as client:
        body = request(endpoint, question, settings)
        if not stream:
            done = client.chat.completions.create(**body)
            seconds = time.perf_counter() - began
            choice, tokens = done.choices[0], done.usage.completion_tokens if done.usage else 0
            return Answer(choice.message.content or "", tokens, choice.finish_reason, seconds, seconds)
        text, tokens, finish_reason, first = "", 0, "", 0.0
        for chunk in client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}):
            if chunk.usage:
                tokens = chunk.usage.completion_tokens
            for choice in chunk.choices:
                text += choice.delta.content or ""
                first = first or (time.perf_counter() - began if choice.delta.content else 0.0)
                finish_reason = choice.finish_reason or finish_reason
        seconds = time.perf_counter() - began
        return Answer(text, tokens, finish_reason, first or seconds, seconds)


def curl_line(endpoint: Endpoint, question: str, settings: ServeSettings) -> str:
    """A shell command that asks the same, safe to paste whatever the question holds."""
    body = json.dumps(request(endpoint, question, settings), ensure_ascii=False)
    return f"curl {endpoint.url}/chat/completions -H 'Content-Type: application/json' -d {shlex.quote(body)}"
