"""Start a copy of a suspended RayJob; which one is in the name of the Job that runs this. Needs Python alone.

Kubernetes starts a copy of a CronJob's Job by itself; of a RayJob only RayCronJob does, which is alpha.
"""

import json
import os
import pathlib
import ssl
import sys
import urllib.error
import urllib.request

ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")


def copy_of(template, name):
    """The RayJob `name` that runs what the suspended `template` describes. Its entrypoint may say @JOB_NAME@ for the name."""
    entrypoint = template["spec"]["entrypoint"].replace("@JOB_NAME@", name)
    return {
        "apiVersion": template["apiVersion"],
        "kind": template["kind"],
        "metadata": {"name": name, "labels": template["metadata"].get("labels", {})},
        "spec": {**template["spec"], "entrypoint": entrypoint, "suspend": False},
    }


def start(rayjobs, name, request):
    """Create the RayJob `name` as a copy of the one whose name is before the last dash. rayjobs: the URL of all of them.

    A second attempt under the same name changes nothing.
    """
    template, dash, _ = name.rpartition("-")
    if not dash:
        sys.exit(f"{name}: name the Job TEMPLATE-ANYTHING, such as pageloom-pages-1")
    try:
        found = request(f"{rayjobs}/{template}")
    except urllib.error.HTTPError as error:
        sys.exit(f"{name}: no RayJob {template} to copy ({error}); there are pageloom-pages, pageloom-train, pageloom-cycle")
    try:
        request(rayjobs, copy_of(found, name))
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise
        print(f"rayjob {name} is there already")
        return
    print(f"rayjob {name} started as {template} says")


def main():
    namespace, token = (ACCOUNT / "namespace").read_text(), (ACCOUNT / "token").read_text()
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def request(url, body=None):
        data = json.dumps(body).encode() if body else None
        asked = urllib.request.Request(url, data, headers)
        with urllib.request.urlopen(asked, timeout=60, context=trusted) as answer:
            return json.load(answer)

    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    start(f"https://{host}:{port}/apis/ray.io/v1/namespaces/{namespace}/rayjobs", os.environ["JOB_NAME"], request)


if __name__ == "__main__":
    main()
