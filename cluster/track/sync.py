"""Sending recorded runs to W&B: live, as a process beside the driver, or later by `pageloom sync`; twice gives the same.

W&B's own count of a run's history rows says where to go on; artefacts are known by their content there. sent.json beside a
record says that all of it is there, which spares asking.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster.errors import WorkError, first_line
from cluster.store import Location
from cluster.track.wandb import RECORDS, Row

SENT = "sent.json"
LOOK_SECONDS = 2.0  # between looks at records that grow
INIT_SECONDS = 60.0  # that W&B has to answer


class Tail:
    """Reads a record that grows: every row once. Memory: a segment."""

    def __init__(self, place: Location) -> None:
        self.place = place
        self.name, self.lines = "", 0

    def rows(self) -> Iterator[Row]:
        for name in self.place.files():
            if not name.endswith(".jsonl") or name < self.name:
                continue
            if name > self.name:
                self.name, self.lines = name, 0
            for line in (self.place / name).read_bytes().splitlines()[self.lines :]:
                self.lines += 1
                try:
                    yield json.loads(line)
                except ValueError as error:
                    place = f"{self.place / name}: line {self.lines}"
                    raise WorkError(f"{place}: no JSON ({error}); put back a copy, or delete the line") from error


class Sending:
    """One record on its way. driver: the process whose machine W&B's system metrics are of; None: none are taken."""

    def __init__(self, place: Location, scratch: Path, driver: int | None = None) -> None:
        self.place, self.scratch, self.driver = place, scratch, driver
        self.tail = Tail(place)
        self.rows = self.history = 0  # seen; of them history rows
        self.stage = ""
        self.run: Any = None
        self.exit_code: int | None = None

    def advance(self) -> None:
        """Send what is new. Raises WorkError where W&B does not take it."""
        for row in self.tail.rows():
            self.rows += 1
            try:
                self._send(row)
            except Exception as error:
                raise WorkError(f"{first_line(error)}; {self.place} keeps what W&B lacks") from error

    def finish(self) -> None:
        """Close the run at W&B as the stage ended; one that never said how counts as failed."""
        if self.run is None:
            return
        self.run.finish(exit_code=1 if self.exit_code is None else self.exit_code)
        self.run = None
        (self.place / SENT).write_json({"rows": self.rows})

    def _send(self, row: Row) -> None:
        import wandb

        if "begin" in row:
            self.stage = row["begin"]["job_type"]
            self.run = start(row["begin"], self.scratch, self.driver)
        elif "metrics" in row:
            named = {f"{self.stage}/{name}": value for name, value in row["metrics"].items()}
            self._log(named | {f"{self.stage}/step": row["step"], "_timestamp": row["time"]})
        elif "table" in row:
            data = [[None if cell is None else str(cell) for cell in cells] for cells in row["rows"]]
            self._log(lambda: {f"{self.stage}/{row['table']}": wandb.Table(columns=row["columns"], data=data)})
        elif "summary" in row:
            self.run.summary.update(row["summary"])
        elif "artefact" in row:
            for used in row["uses"]:
                self.run.use_artifact(reference(used))
            self.run.log_artifact(reference(row["artefact"])).wait(INIT_SECONDS)
        elif "end" in row:
            self.exit_code = row["end"]

    def _log(self, values: Any) -> None:
        """A history row, unless W&B has it; values: a mapping, or what makes it."""
        if self.history >= self.run.starting_step:
            self.run.log(values() if callable(values) else values, step=self.history)
        self.history += 1


def start(begin: Row, scratch: Path, driver: int | None) -> Any:
    """Open, or open again, the run that a record begins with."""
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    stats: dict[str, Any] = {"x_stats_pid": driver, "x_stats_track_process_tree": True} if driver else {"x_disable_stats": True}
    # Beside a run it may try for as long as that takes; whoever waits for the command wants an answer.
    patience = {} if driver else {f"x_{part}_retry_max": 4 for part in ("file_stream", "file_transfer", "graphql")}
    settings = wandb.Settings(
        console="off", disable_git=True, save_code=False, silent=True, init_timeout=INIT_SECONDS, **stats, **patience
    )
    names = {name: begin[name] for name in ("id", "project", "entity", "group", "name", "job_type", "config", "tags")}
    run = wandb.init(**names, resume="allow", reinit="create_new", mode="online", dir=str(scratch), settings=settings)
    run.define_metric(f"{begin['job_type']}/step", hidden=True)
    for metric, summary in begin["metrics"].items():
        run.define_metric(f"{begin['job_type']}/{metric}", step_metric=f"{begin['job_type']}/step", summary=summary)
    return run


def reference(artefact: Row) -> Any:
    """An artefact at W&B: where it is under the root, not a copy of it."""
    import wandb

    made = wandb.Artifact(artefact["stage"], artefact["type"], metadata={"key": artefact["key"], "digest": artefact["digest"]})
    made.add_reference(artefact["uri"], name=artefact["stage"], checksum=False)
    return made


def groups(root: Location) -> list[str]:
    """The runs that are recorded under a root."""
    return (root / RECORDS).directories()


def send_group(group: Location, running: bool) -> dict[str, int]:
    """Send all of a group's records that are not there yet; returns rows sent by record. running: leave what has no end yet."""
    sent = {}
    with tempfile.TemporaryDirectory(prefix="pageloom-wandb-") as scratch:
        for place in records(group):
            rows = list(Tail(place).rows())
            ended = any("end" in row for row in rows)
            if (running and not ended) or already_sent(place) == len(rows):
                continue
            sending = Sending(place, Path(scratch))
            sending.advance()
            sending.finish()
            sent[place.name] = len(rows)
    return sent


def already_sent(place: Location) -> int:
    return (place / SENT).read_json()["rows"] if (place / SENT).exists() else 0


def records(group: Location) -> list[Location]:
    """A group's records, as they began."""
    found = [(next(Tail(group / name).rows(), {}).get("time", 0.0), name) for name in group.directories()]
    return [group / name for _, name in sorted(found)]


def follow(group: Location, driver: int) -> None:
    """Send a group's records while they grow, until standard input ends; then what is left."""
    ended = threading.Event()

    def listen() -> None:
        sys.stdin.buffer.read()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    under_way: dict[str, Sending] = {}
    with tempfile.TemporaryDirectory(prefix="pageloom-wandb-") as scratch:
        while True:
            last = ended.wait(LOOK_SECONDS)
            for place in records(group):
                sending = under_way.setdefault(place.name, Sending(place, Path(scratch), driver))
                sending.advance()
                if sending.exit_code is not None:
                    sending.finish()
            if last:
                break
        for sending in under_way.values():
            sending.finish()


if __name__ == "__main__":
    try:
        follow(Location.of(sys.argv[1]) / RECORDS / sys.argv[2], int(sys.argv[3]))
    except WorkError as error:
        print(error, flush=True)
        os._exit(1)  # wandb would wait at the end for what it could not send
