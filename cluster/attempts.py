"""Attempts at an artefact: each holder of the root works in a directory of its own, ROOT/<stage>/<key>/<number>/.

The number is the holder's fence (see cluster.lock). What an earlier attempt finished is taken over, never worked on in place:
a holder that lost the root without knowing it writes into its own directory, which nobody reads any more.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from pathlib import Path

from cluster.errors import WorkError
from cluster.location import BLOCK, Location, in_parallel, is_unfinished, settle
from cluster.shards import WORK, missing_or_cut, read_records, shard_number

BEGUN = f"{WORK}/begun.json"  # written once an attempt has all that it takes over; an attempt without it is not resumed from
WHOLE_COPY = 5 << 30  # bytes; S3 copies nothing larger in one request
LOOKS = 3  # times to copy a state that changes meanwhile


def attempt_name(fence: int) -> str:
    return f"{fence:06d}"


def attempts_in(place: Location) -> list[str]:
    """Names of the attempts' directories at an artefact, in the order of their numbers."""
    return sorted((name for name in place.directories() if name.isdigit()), key=int)


def begin(place: Location, fence: int) -> Location:
    """The directory of a new attempt at the artefact `place`, with what the newest earlier one can be resumed from.

    Local ones are renamed, as the root's lock says that nobody works there; those on object stores are copied inside the store.
    Raises WorkError where an earlier attempt's processes still write.
    """
    mine = place / attempt_name(fence)
    sizes = mine.sizes()
    if BEGUN not in sizes:
        earlier = [name for name in attempts_in(place) if name != mine.name and (place / name / BEGUN).exists()]
        if earlier and place.is_local:
            mine.delete()
            os.rename((place / earlier[-1]).path, mine.path)
            settle(Path(place.path))
        elif earlier:
            adopt(place / earlier[-1], mine)
        sizes = mine.sizes()
    clear(mine, sizes)
    (mine / BEGUN).write_json({"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()})
    return mine


def resumable(place: Location, sizes: dict[str, int]) -> set[str]:
    """Which files of an attempt a later one goes on from: shards that have a record, their records, what is below `_work`."""
    records = read_records(place, list(sizes))
    whole = {number: record["path"] for number, record in records.items() if not missing_or_cut(record, sizes)}
    work = {name for name in sizes if name.startswith(f"{WORK}/") and not half_written(name)}
    work -= {name for name in work if (number := shard_number(name)) is not None and number not in whole}
    return work | set(whole.values())


def half_written(name: str) -> bool:
    """Whether a file below `_work` is one of ours that was never finished. Engines keep hidden files of their own there."""
    return is_unfinished(name) and len(name.rpartition(".")[2]) == 32


def clear(place: Location, sizes: dict[str, int]) -> None:
    """Delete everything of an attempt that it cannot be resumed from."""
    keep = resumable(place, sizes)
    in_parallel(lambda name: (place / name).delete(), [name for name in sizes if name not in keep])


def adopt(earlier: Location, mine: Location) -> None:
    """Copy inside an object store what `earlier` can be resumed from. Whoever may still work there is not disturbed."""
    for _ in range(LOOKS):
        sizes = earlier.sizes()
        copies = [(earlier / name, mine / name, sizes[name]) for name in resumable(earlier, sizes)]
        try:
            in_parallel(lambda each: copy_inside(*each), copies)
        except OSError:
            if earlier.sizes() == sizes:  # otherwise a file went since it was listed
                raise
        else:
            if earlier.sizes() == sizes:
                return
    raise WorkError(
        f"{earlier}: a process of the run that held the root before still writes there; end it "
        f"({(earlier / BEGUN).read_json()['host']} is where it began), then run again"
    )


def copy_inside(source: Location, target: Location, size: int) -> None:
    if size < WHOLE_COPY:
        source.filesystem.copy_file(source.path, target.path)
        return
    with source.open() as reading, target.filesystem.open_output_stream(target.path, compression=None) as writing:
        shutil.copyfileobj(reading, writing, BLOCK)
