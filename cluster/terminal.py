"""The terminal that commands print to: results on stdout, failures on stderr in one line."""

from __future__ import annotations

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def tell(error: Exception) -> None:
    """Say in one line what failed."""
    words = str(error).encode("utf-8", "backslashreplace").decode()  # names of files may hold bytes that no terminal takes
    err.print(f"pageloom: {words}", style="red", markup=False, soft_wrap=True)
