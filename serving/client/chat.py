"""A conversation in the terminal with a served model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from cluster.errors import RequestError
from cluster.terminal import visible
from serving.engine.settings import ServeSettings

if TYPE_CHECKING:
    from openai import OpenAI

HELP = "/reset starts over, Ctrl-C interrupts an answer, Ctrl-D leaves"


def talk(url: str, settings: ServeSettings, read: Callable[[str], str] = input, out: TextIO = sys.stdout) -> None:
    """Read a line, stream the answer, remember both; until end of input or Ctrl-C at the prompt.

    Raises RequestError where nobody answers at `url`.
    """
    from openai import OpenAI

    try:
        client = OpenAI(base_url=url, api_key="none", max_retries=0)
        model = client.models.list().data[0].id
    except Exception as error:  # no address, nobody there, or a server of another kind, whose answers fail in many ways
        raise RequestError(f"no endpoint at {url}: start one with `pageloom run`") from error
    with client:
        print(visible(f"talking to {model} at {url}; {HELP}"), file=out)
        history: list[Any] = []
        while True:
            try:
                line = read("you> ").strip()
            except (EOFError, KeyboardInterrupt):
                print(file=out)
                return
            if line == "/reset":
                history = []
                print("a new conversation", file=out)
            elif line:
                history += say(client, model, [*history, {"role": "user", "content": line}], settings, out)


def say(client: OpenAI, model: str, messages: list[Any], settings: ServeSettings, out: TextIO) -> list[Any]:
    """Stream the answer to the last message; returns what this turn adds to the history: nothing where it was refused."""
    from openai import APIError

    said = ""
    print(visible(f"{model}> "), end="", flush=True, file=out)
    try:
        for chunk in client.chat.completions.create(
            model=model, messages=messages, max_tokens=settings.max_tokens, stream=True
        ):
            for choice in chunk.choices:
                said += choice.delta.content or ""
                print(visible(choice.delta.content or ""), end="", flush=True, file=out)
    except KeyboardInterrupt:
        print(" (interrupted)", end="", file=out)
    except APIError as error:
        print(visible(f"no answer: {error.message}; /reset starts over"), file=out)
        return []
    print(file=out)
    return [messages[-1], {"role": "assistant", "content": said}]
