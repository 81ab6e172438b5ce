"""Whether an artefact's files are what its manifest says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cluster.errors import WorkError
from cluster.inputs import SMALL
from cluster.location import Location, digest_file, in_parallel
from cluster.shards import WORK
from cluster.store import MANIFEST, Artefact


@dataclass(frozen=True)
class Fault:
    """A file of an artefact that is not as it was committed. path: below `place`. what: `missing`, or how it differs."""

    stage: str
    key: str
    place: Location
    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.place / self.path}: {self.what}"


def fault(artefact: Artefact, path: str, what: str) -> Fault:
    return Fault(artefact.stage, artefact.key, artefact.location, path, what)


def size_faults(artefact: Artefact) -> list[Fault]:
    """Files that are missing or have another size. One listing."""
    sizes = artefact.location.sizes()
    told = [(file["path"], file["bytes"], sizes.get(file["path"])) for file in artefact.manifest["files"]]
    return [
        fault(artefact, path, "missing" if found is None else f"{found:,} bytes instead of {size:,}")
        for path, size, found in told
        if found != size
    ]


def faults(artefact: Artefact, read: Callable[[int], None] = lambda _: None) -> list[Fault]:
    """Files that are missing or differ in any byte. Reads all of them; `read` is told the bytes of each that has been."""
    found = size_faults(artefact)
    cut = {each.path for each in found}

    def differs(file: dict[str, str]) -> bool:
        size, digest = digest_file(artefact.location / file["path"])
        read(size)
        return digest != file["digest"]

    whole = [file for file in artefact.manifest["files"] if file["path"] not in cut]
    changed = [file for file, other in zip(whole, in_parallel(differs, whole), strict=True) if other]
    return found + [fault(artefact, file["path"], "its bytes are not those that were committed") for file in changed]


def strangers(artefact: Artefact) -> dict[str, int]:
    """Files among an artefact's that its manifest does not name, path -> bytes. Nobody reads them."""
    known = {file["path"] for file in artefact.manifest["files"]}
    known |= {MANIFEST} if artefact.location == artefact.place else set()
    return {
        path: size for path, size in artefact.location.sizes().items() if path not in known and not path.startswith(f"{WORK}/")
    }


def refuse_changed(artefact: Artefact) -> None:
    """Raises WorkError where a stage must not read an artefact, as its files are not those that were committed.

    By every byte up to SMALL, as input files are known; larger ones by size: reading all would double what a stage reads.
    """
    small = sum(file["bytes"] for file in artefact.manifest["files"]) <= SMALL
    if found := (faults if small else size_faults)(artefact):
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise WorkError(
            f"{found[0]}{more}; `pageloom verify` checks all files; run again with --force {artefact.stage} to make it anew"
        )
