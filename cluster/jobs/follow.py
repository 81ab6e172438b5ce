"""A job followed to its end: its log shown once, through lost connections and a lost head."""

from __future__ import annotations

import time
from collections.abc import Callable

from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails

from cluster.errors import WorkError, first_line
from cluster.jobs.client import Client

POLL_SECONDS = 1.0
SIZE = 50_000  # characters of a log that are asked for a second, on average: it comes whole each time
LOST_SECONDS = 600.0  # without an answer: a head that Kubernetes starts elsewhere is back by then
DOUBT_SECONDS = 90.0  # after an interruption; the state of a job whose head was lost stays RUNNING for 44 s
BEGIN = "Running entrypoint for job "  # after this line of Ray's the log is the run's own

Say = Callable[[str], None]


class Log:
    """A job's log as far as it was shown. show: told whole lines."""

    def __init__(self, client: Client, identity: str, show: Say) -> None:
        self.client, self.identity, self.show = client, identity, show
        self.shown = self.size = 0

    def more(self, ended: bool) -> None:
        """Show what has come since. ended: the last line may lack its end. Raises what the client does."""
        text = self.client.get_job_logs(self.identity)
        self.size = len(text)
        text = own_part(text)
        end = len(text) if ended else text.rfind("\n") + 1
        if end > self.shown:
            for line in text[self.shown : end].splitlines():
                self.show(line)
            self.shown = end


def own_part(text: str) -> str:
    """A log without what Ray writes above the run's own words."""
    at = text.find(BEGIN)
    line_end = text.find("\n", at)
    return text[line_end + 1 :] if at >= 0 and line_end >= 0 else ""


def follow(client: Client, identity: str, show: Say, say: Say) -> JobDetails:
    """Show a job's log until the job has ended; returns it as it was then.

    say: told of interruptions. Raises WorkError where the node of the job's driver is lost, where the cluster forgot the job,
    or where it does not answer for LOST_SECONDS.
    """
    log = Log(client, identity, show)
    heard, interrupted, doubt_until = time.monotonic(), False, 0.0
    while True:
        try:
            job = client.get_job_info(identity)
            log.more(ended=job.status.is_terminal())
            if job.status.is_terminal():
                return job
            if time.monotonic() < doubt_until and job.driver_node_id and client.node_state(job.driver_node_id) != "ALIVE":
                raise WorkError(
                    f"{identity}: the node of its driver was lost, and the run with it; "
                    "finished stages stay, submit it again and it goes on"
                )
        except AuthenticationError:
            raise
        except (OSError, RuntimeError) as error:
            if "does not exist" in str(error):
                raise WorkError(f"{identity}: the cluster does not know this job (any more); submit it again") from error
            if time.monotonic() - heard > LOST_SECONDS:
                raise WorkError(
                    f"{client.named}: no answer for {LOST_SECONDS:g} s ({first_line(error)}); "
                    f"the job may go on, `pageloom jobs wait {identity}` follows it"
                ) from error
            if not interrupted:
                say(f"{client.named}: no answer; trying again for {LOST_SECONDS:g} s")
            interrupted = True
        else:
            heard = time.monotonic()
            if interrupted:
                say("the cluster answers again")
                interrupted, doubt_until = False, heard + DOUBT_SECONDS
        time.sleep(max(POLL_SECONDS, log.size / SIZE))
