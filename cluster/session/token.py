"""The token of a cluster: where Ray reads it here, and what is wrong with it, for people."""

from __future__ import annotations

import os
from pathlib import Path

from cluster.errors import RequestError
from cluster.session.environment import MODE, TOKEN, TOKEN_PATH

DEFAULT_TOKEN = Path(".ray", "auth_token")  # below the home directory
TOKEN_PLACES = f"{TOKEN}, the file that {TOKEN_PATH} names, or ~/{DEFAULT_TOKEN}"


def token_place() -> str:
    """Where Ray will read a token here, by the order in which it looks; empty where there is none.

    Raises RequestError where the file that RAY_AUTH_TOKEN_PATH names is absent, for Ray aborts the process then.
    """
    if os.environ.get(TOKEN):
        return TOKEN
    if named := os.environ.get(TOKEN_PATH):
        if not Path(named).is_file():
            raise RequestError(f"{TOKEN_PATH} {named}: no such file; correct or unset it")
        return f"{TOKEN_PATH} ({named})"
    home = Path(os.environ.get("HOME", "/nonexistent"), DEFAULT_TOKEN)
    return f"~/{DEFAULT_TOKEN}" if home.is_file() else ""


def token_mode() -> dict[str, str]:
    """Ray sends a token to a cluster that is named only where RAY_AUTH_MODE says so: having one is reason enough."""
    return {MODE: "token"} if MODE not in os.environ and token_place() else {}


def token_trouble() -> str:
    """Why a cluster refuses what is sent from here, and the remedy."""
    mode, place = os.environ.get(MODE), token_place()
    if mode not in (None, "token"):
        why = f"the cluster asks for a token, and {MODE}={mode} sends none; unset it"
    elif place:
        why = f"the cluster does not accept the token in {place}"
    else:
        why = "the cluster asks for a token, and there is none here"
    return f"{why}; put the cluster's into {TOKEN_PLACES}"
