"""A server on loopback that speaks what wandb 0.31 asks of W&B, keeps it, and forgets nothing: `python wandb_server.py PORT`.

GET /state returns everything kept: runs by id with history, config, summary, exit code; artefacts by digest; edges.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

ENTITY = "library"

lock = Lock()
runs: dict[str, dict[str, Any]] = {}
artefacts: dict[str, dict[str, Any]] = {}  # by digest
edges: list[list[str]] = []  # run, "made" or "used", artefact's name
unknown: list[str] = []
keys: set[str] = set()  # Authorization headers seen


def upsert(given: dict[str, Any]) -> dict[str, Any]:
    new = given["name"] not in runs
    run = runs.setdefault(given["name"], {"history": [], "summary": {}, "events": 0, "exit": None, "finished": 0})
    for name in ("project", "groupName", "jobType", "displayName", "tags", "notes", "state"):
        if given.get(name) is not None:
            run[name] = given[name]
    if given.get("config"):
        run["config"] = {name: each["value"] for name, each in json.loads(given["config"]).items()}
    bucket = {
        "id": given["name"],
        "name": given["name"],
        "displayName": run.get("displayName"),
        "description": "",
        "config": "{}",
        "sweepName": None,
        "historyLineCount": len(run["history"]),
        "project": {"id": "p", "name": run["project"], "entity": {"id": "e", "name": ENTITY}},
    }
    return {"upsertBucket": {"bucket": bucket, "inserted": new}}


def resume(given: dict[str, Any]) -> dict[str, Any]:
    run = runs.get(given["name"])
    if run is None:
        return {"model": {"id": "p", "name": given["project"], "entity": {"id": "e", "name": ENTITY}, "bucket": None}}
    last = [json.dumps(run["history"][-1])] if run["history"] else []
    bucket = {
        "id": given["name"],
        "name": given["name"],
        "summaryMetrics": json.dumps(run["summary"]),
        "displayName": run.get("displayName"),
        "logLineCount": 0,
        "historyLineCount": len(run["history"]),
        "eventsLineCount": run["events"],
        "historyTail": json.dumps(last),
        "eventsTail": "[]",
        "config": json.dumps({name: {"value": value} for name, value in run.get("config", {}).items()}),
        "tags": run.get("tags", []),
        "notes": "",
        "wandbConfig": json.dumps({"t": 1}),
    }
    return {"model": {"id": "p", "name": given["project"], "entity": {"id": "e", "name": ENTITY}, "bucket": bucket}}


def create_artifact(given: dict[str, Any]) -> dict[str, Any]:
    found = artefacts.setdefault(
        given["digest"],
        {
            "id": f"artefact-{len(artefacts)}",
            "type": given["artifactTypeName"],
            "state": "PENDING",
            "metadata": given.get("metadata"),
        },
    )
    found.setdefault("name", given["artifactCollectionName"])
    if given.get("runName"):
        edge = [given["runName"], "made", found["name"]]
        if edge not in edges:
            edges.append(edge)
    latest = {"id": found["id"], "versionIndex": 0} if found["state"] == "COMMITTED" else None
    artefact = {"id": found["id"], "state": found["state"], "artifactSequence": {"id": "s", "latestArtifact": latest}}
    return {"createArtifact": {"artifact": artefact}}


def whole(found: dict[str, Any]) -> dict[str, Any]:
    """An artefact in all the fields that wandb reads."""
    project = {"id": "p", "internalId": "1", "name": "books", "entity": {"name": ENTITY}}
    return {
        "__typename": "Artifact",
        "id": found["id"],
        "artifactSequence": {"__typename": "ArtifactSequence", "name": found["name"], "project": project},
        "versionIndex": 0,
        "artifactType": {"name": found["type"]},
        "description": None,
        "metadata": found["metadata"],
        "ttlDurationSeconds": -2,
        "ttlIsInherited": True,
        "tags": [],
        "historyStep": None,
        "state": "COMMITTED",
        "size": 0,
        "digest": "d",
        "digestAlgorithm": None,
        "commitHash": "c",
        "fileCount": 1,
        "createdAt": "2026-01-01T00:00:00",
        "updatedAt": None,
        "aliases": [],
    }


def answer(query: str, given: dict[str, Any], here: str) -> dict[str, Any]:
    """What the first field of a GraphQL request asks."""
    given = given.get("input", given)
    if "upsertBucket" in query:
        return upsert(given)
    if "RunResumeStatus" in query:
        return resume(given)
    if "viewer" in query:
        return {"viewer": {"id": "v", "entity": ENTITY, "username": "u", "email": "", "flags": "{}", "teams": {"edges": []}}}
    if "createRunFiles" in query:
        files = [{"name": name, "uploadUrl": f"{here}/upload/{given['run']}/{name}"} for name in given["files"]]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}
    if "createArtifactManifest" in query:
        file = {
            "id": "f",
            "name": "wandb_manifest.json",
            "displayName": "m",
            "uploadUrl": f"{here}/upload/manifest",
            "uploadHeaders": [],
        }
        return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": file}}}
    if "updateArtifactManifest" in query:
        file = {"id": "f", "name": "m", "displayName": "m", "uploadUrl": f"{here}/upload/manifest", "uploadHeaders": []}
        return {"updateArtifactManifest": {"artifactManifest": {"id": "m", "file": file}}}
    if "createArtifactFiles" in query:
        made = [
            {
                "node": {
                    "id": "f",
                    "name": spec["name"],
                    "displayName": spec["name"],
                    "uploadUrl": f"{here}/upload/file",
                    "uploadHeaders": [],
                    "storagePath": "s",
                    "uploadMultipartUrls": None,
                    "artifact": {"id": "a"},
                }
            }
            for spec in given["artifactFiles"]
        ]
        return {"createArtifactFiles": {"files": {"edges": made}}}
    if "commitArtifact" in query:
        for each in artefacts.values():
            if each["id"] == given["artifactID"]:
                each["state"] = "COMMITTED"
        return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": "d"}}}
    if "useArtifact" in query:
        name = next(each["name"] for each in artefacts.values() if each["id"] == given["artifactID"])
        edge = [given["runName"], "used", name]
        if edge not in edges:
            edges.append(edge)
        return {
            "useArtifact": {"artifact": {"id": given["artifactID"], "digest": "d", "description": "", "state": "COMMITTED"}}
        }
    if "createArtifact" in query:
        return create_artifact(given)
    if "ArtifactByID" in query:
        return {"artifact": whole(next(each for each in artefacts.values() if each["id"] == given["id"]))}
    if "artifactType" in query or "ArtifactType" in query:
        return {"project": {"artifact": None}}
    if "coreWeaveOrganizationId" in query:  # where system metrics come from
        return {"entity": {"organization": {"coreWeaveOrganizationId": None}}}
    if "ServerFeatures" in query:
        return {"serverInfo": {"features": []}}
    unknown.append(" ".join(query.split())[:300])
    return {}


def stream(run: dict[str, Any], sent: dict[str, Any]) -> None:
    for name, chunk in (sent.get("files") or {}).items():
        rows = [json.loads(line) for line in chunk["content"]]
        if name == "wandb-history.jsonl":
            run["history"][chunk["offset"] : chunk["offset"] + len(rows)] = rows
        elif name == "wandb-summary.json":
            run["summary"] = rows[-1]
        elif name == "wandb-events.jsonl":
            run["events"] += len(rows)
    if sent.get("complete"):
        run["exit"] = sent.get("exitcode")
        run["finished"] += 1


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def body(self) -> bytes:
        raw = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().strip() or b"0", 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw

    def handle_any(self) -> None:
        body = self.body()
        result: Any = {}
        with lock:
            keys.add(self.headers.get("Authorization") or "")
            if self.path == "/state":
                result = {"runs": runs, "artefacts": artefacts, "edges": edges, "unknown": unknown}
            elif self.path == "/reset":
                for each in (runs, artefacts, edges, unknown):
                    each.clear()
            elif self.path == "/graphql":
                asked = json.loads(body)
                result = {"data": answer(asked["query"], asked.get("variables") or {}, f"http://{self.headers['Host']}")}
            elif found := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path):
                stream(runs[found[1]], json.loads(body))
        text = json.dumps(result).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = handle_any


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
