"""This project's code as one zip that a cluster unpacks: what the wheel holds, the same bytes for the same code.

Not the wheel itself: Ray has pip install one together with everything that it depends on, on every node anew.
"""

from __future__ import annotations

import io
import zipfile
from importlib import metadata
from pathlib import Path

from cluster.amounts import human_bytes
from cluster.errors import RequestError
from cluster.versions import CODE

PACKAGES = ("cluster", "pipeline", "actors", "serving")
KINDS = (".py", ".yaml", ".css", ".npz")  # as pyproject.toml has them; nothing else that lies about in a checkout is sent
RECIPES = "recipe"  # the directory in it for a recipe that is a file
LIMIT = 5 << 20  # bytes: the head keeps it in memory, and every node fetches it
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip knows


def package(recipe: tuple[str, bytes] | None = None, code: Path = CODE) -> bytes:
    """The code below `code`, this project's version, and the text of a recipe by its name.

    Raises RequestError where it is larger than LIMIT, naming its largest file.
    """
    contents = {name: (code / name).read_bytes() for name in sources(code)}
    version = metadata.version("pageloom")
    contents[f"pageloom-{version}.dist-info/METADATA"] = f"Metadata-Version: 2.1\nName: pageloom\nVersion: {version}\n".encode()
    if recipe:
        contents[f"{RECIPES}/{recipe[0]}"] = recipe[1]
    packed = zipped(contents)
    if len(packed) > LIMIT:
        name, largest = max(contents.items(), key=lambda each: len(each[1]))
        raise RequestError(
            f"the code to send is {human_bytes(len(packed))}, more than {human_bytes(LIMIT)}; "
            f"its largest file is {name} ({human_bytes(len(largest))}), which does not belong into the checkout"
        )
    return packed


def sources(code: Path) -> list[str]:
    """Relative paths of the files that make up this project, as the wheel has them."""
    found = (file for each in PACKAGES for file in (code / each).rglob("*") if file.suffix in KINDS and file.is_file())
    return ["pageloom.py", *sorted(file.relative_to(code).as_posix() for file in found)]


def zipped(contents: dict[str, bytes]) -> bytes:
    """A zip in which nothing but names and contents makes a difference."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, contents[name])
    return buffer.getvalue()
