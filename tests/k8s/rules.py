"""What manifests must agree on with the code and with each other. Each rule takes all objects and yields its complaints."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ray
import typer
import yaml
from ray._private import ray_constants
from ray.serve.schema import ServeDeploySchema

import pageloom
from serving.engine.app import Served
from serving.engine.settings import ServeSettings
from tests.k8s.kustomize import K8S, Object

REPOSITORY = K8S.parent
READ_BY_LIBRARIES = {
    "AWS_ACCESS_KEY_ID": "the AWS SDK of pyarrow and obstore",
    "AWS_SECRET_ACCESS_KEY": "the AWS SDK of pyarrow and obstore",
    "WANDB_API_KEY": "wandb",
}
METRICS_PORT = 8080  # which the operator gives to `ray start --metrics-export-port`
RAY_PORTS = {
    "gcs-server": ray_constants.DEFAULT_PORT,
    "dashboard": ray_constants.DEFAULT_DASHBOARD_PORT,
    "agent": ray_constants.DEFAULT_DASHBOARD_AGENT_LISTEN_PORT,
    "metrics": METRICS_PORT,
}
LONGEST_RAYJOB = 47  # names of the operator's are made from it
CRON_SUFFIX = len("-29412000")  # the minute, which Kubernetes appends to a CronJob's name


@dataclass(frozen=True)
class Pod:
    """A pod template, wherever it stands. role: head, worker or empty. labels: with those that the operator gives."""

    owner: str
    role: str
    template: Object

    @property
    def labels(self) -> dict[str, str]:
        own = self.template.get("metadata", {}).get("labels", {})
        return own | ({"ray.io/node-type": self.role} if self.role else {})

    @property
    def spec(self) -> Object:
        return self.template["spec"]

    @property
    def containers(self) -> list[Object]:
        return self.spec["containers"] + self.spec.get("initContainers", [])

    @property
    def ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for each in self.containers for port in each.get("ports", ())}


def named(thing: Object) -> str:
    return f"{thing['kind']} {thing['metadata']['name']}"


def kinds(objects: list[Object], *wanted: str) -> list[Object]:
    return [each for each in objects if each["kind"] in wanted]


def clusters(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every cluster of a Ray object with its owner's name."""
    for each in objects:
        spec = each["spec"]["jobTemplate"] if each["kind"] == "RayCronJob" else each.get("spec", {})
        if cluster := spec.get("rayClusterConfig") or spec.get("rayClusterSpec"):
            yield named(each), cluster


def pods(objects: list[Object]) -> list[Pod]:
    found = []
    for owner, cluster in clusters(objects):
        found.append(Pod(owner, "head", cluster["headGroupSpec"]["template"]))
        found += [Pod(owner, "worker", group["template"]) for group in cluster["workerGroupSpecs"]]
    for each in objects:
        spec = each["spec"]["jobTemplate"] if each["kind"] == "RayCronJob" else each.get("spec", {})
        if template := spec.get("submitterPodTemplate"):
            found.append(Pod(named(each), "", template))
        if each["kind"] == "CronJob":
            found.append(Pod(named(each), "", each["spec"]["jobTemplate"]["spec"]["template"]))
        if each["kind"] in ("StatefulSet", "Deployment"):
            found.append(Pod(named(each), "", each["spec"]["template"]))
    return found


def jobs(objects: list[Object]) -> list[tuple[str, Object]]:
    return [
        (named(each), each["spec"]["jobTemplate"] if each["kind"] == "RayCronJob" else each["spec"])
        for each in kinds(objects, "RayJob", "RayCronJob")
    ]


def everywhere(value: Any) -> Iterator[Object]:
    """Every mapping in a nested value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from everywhere(inner)


@cache
def words_of_the_code() -> frozenset[str]:
    packages = ("cluster", "pipeline", "actors", "serving")
    return frozenset(
        word for package in packages for file in (REPOSITORY / package).rglob("*.py") for word in words(file.read_text())
    )


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


@cache
def paths_of_ray() -> frozenset[str]:
    """The texts in quotes that begin with a slash, of the files of Ray that answer HTTP."""
    package = Path(ray.__file__).parent
    sources = [
        package / "serve/_private/proxy.py",
        *package.glob("dashboard/http_server_*.py"),
        *package.glob("dashboard/modules/reporter/*.py"),
    ]
    return frozenset(path for source in sources for path in re.findall(r'"(/[^" ]*)"', source.read_text()))


def is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of what is before the last dot
        return False


# --- the code ---------------------------------------------------------------------------------------------------------------


def applications(objects: list[Object]) -> Iterator[str]:
    """Serve's configuration is one, its application is in the code, and takes the arguments."""
    for service in kinds(objects, "RayService"):
        config = yaml.safe_load(service["spec"]["serveConfigV2"])
        try:
            ServeDeploySchema.model_validate(config)
        except ValueError as error:
            yield f"{named(service)}: {error}"
        for application in config["applications"]:
            module, _, function = application["import_path"].partition(":")
            if not is_module(module) or not callable(getattr(importlib.import_module(module), function, None)):
                yield f"{named(service)}: import_path {application['import_path']} is not in the code"
            try:
                Served.model_validate(application["args"])
            except ValueError as error:
                yield f"{named(service)}: args: {error}"


def entrypoints(objects: list[Object]) -> Iterator[str]:
    """What a job runs is a command of ours with options that it has; a recipe's file is mounted where the command looks."""
    commands = typer.main.get_command(pageloom.app)
    for owner, spec in jobs(objects):
        program, command, *arguments = shlex.split(spec["entrypoint"])
        if program != "pageloom" or command not in commands.commands:  # type: ignore[attr-defined]
            yield f"{owner}: entrypoint: pageloom has no command {command}"
            continue
        try:
            context = commands.commands[command].make_context(command, list(arguments), obj=pageloom.line())  # type: ignore[attr-defined]
        except Exception as error:
            yield f"{owner}: entrypoint: {getattr(error, 'message', error)}"
            continue
        for stage in filter(None, (context.params["until"], context.params["start"])):
            if stage not in pageloom.line().names:
                yield f"{owner}: entrypoint: no stage {stage}"
        mounts = {
            each["name"]: each["mountPath"]
            for each in spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["volumeMounts"]
        }
        if mounts.get("recipe") != str(Path(context.params["recipe"]).parent):
            yield f"{owner}: entrypoint: {context.params['recipe']} is not mounted"


def modules(objects: list[Object]) -> Iterator[str]:
    """`python -m MODULE` in a command is a module of ours."""
    for pod in pods(objects):
        for words in (each["command"] for each in everywhere(pod.spec) if isinstance(each.get("command"), list)):
            for module in re.findall(r"python -m (\S+)", " ".join(words)):
                if not is_module(module):
                    yield f"{pod.owner}: python -m {module}: not in the code"


def variables(objects: list[Object]) -> Iterator[str]:
    """Somebody reads every variable: our code, the container's own command or script, or a library."""
    scripts = [text for each in kinds(objects, "ConfigMap") for text in each["data"].values()]
    for pod in pods(objects):
        for container in pod.containers:
            read_by = words_of_the_code().union(*map(words, [*scripts, *container.get("command", ())]))
            for variable in container.get("env", ()):
                if variable["name"] not in read_by | READ_BY_LIBRARIES.keys():
                    yield f"{pod.owner}: {container['name']}: nobody reads {variable['name']}"


def versions(objects: list[Object]) -> Iterator[str]:
    """The Ray that is said is the one that is pinned."""
    (pin,) = re.findall(r"^ray==(\S+)$", (REPOSITORY / "constraints-cpu.txt").read_text(), re.MULTILINE)
    for owner, cluster in clusters(objects):
        if cluster["rayVersion"] != pin:
            yield f"{owner}: rayVersion {cluster['rayVersion']}, the image has {pin}"


def images(objects: list[Object]) -> Iterator[str]:
    """Every image says which, and ours is of this version and a target of the Dockerfile."""
    targets = re.findall(r"^FROM \S+ AS (\w+)$", (K8S / "image" / "Dockerfile").read_text(), re.MULTILINE)
    for pod in pods(objects):
        for container in pod.containers:
            name, _, tag = container["image"].partition(":")
            if not tag or tag == "latest":
                yield f"{pod.owner}: {container['image']}: which one?"
            elif name == "pageloom":
                version, _, target = tag.rpartition("-")
                if version != metadata.version("pageloom") or target not in targets:
                    yield f"{pod.owner}: {container['image']}: no target of the Dockerfile at this version"


def probes(objects: list[Object]) -> Iterator[str]:
    """A probe asks a port that its container has for a path that Ray answers without a token."""
    for pod in pods(objects):
        for container in pod.containers:
            own = {port["name"] for port in container.get("ports", ())}
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container.get(kind, {})
                port = (asked.get("httpGet") or asked.get("tcpSocket") or {}).get("port")
                if asked and port not in own:
                    yield f"{pod.owner}: {container['name']}: {kind} asks the port {port}, which the container has not"
                path = asked.get("httpGet", {}).get("path")
                if path and path not in paths_of_ray():
                    yield f"{pod.owner}: {container['name']}: {kind} asks for {path}, which Ray does not answer"


def ports(objects: list[Object]) -> Iterator[str]:
    """A port's number is that of what listens: Serve as configured, Ray by its defaults."""
    for service in kinds(objects, "RayService"):
        listens = yaml.safe_load(service["spec"]["serveConfigV2"])["http_options"]["port"]
        for pod in pods([service]):
            if pod.ports.get("serve") != listens:
                yield f"{named(service)}: {pod.role}: the port serve is {pod.ports.get('serve')}, Serve listens at {listens}"
    for pod in pods(objects):
        for name, number in pod.ports.items():
            if pod.role and name in RAY_PORTS and number != RAY_PORTS[name]:
                yield f"{pod.owner}: {pod.role}: the port {name} is {number}, Ray listens at {RAY_PORTS[name]}"


# --- other manifests --------------------------------------------------------------------------------------------------------


def secrets(objects: list[Object]) -> Iterator[str]:
    """A Secret that is asked for is in the example, with that key."""
    given = {each["metadata"]["name"]: set(each["stringData"]) for each in example_secrets()}
    for each in objects:
        asked = [(ref["name"], ref["key"]) for inner in everywhere(each) if isinstance(ref := inner.get("secretKeyRef"), dict)]
        asked += [
            (inner["secretName"], "auth_token")
            for inner in everywhere(each)
            if inner.get("mode") == "token" and "secretName" in inner
        ]
        for name, key in asked:
            if key not in given.get(name, ()):
                yield f"{named(each)}: Secret {name}, key {key}: not in secrets.example.yaml"


def example_secrets() -> list[Object]:
    return list(yaml.safe_load_all((K8S / "base" / "secrets.example.yaml").read_text()))


def references(objects: list[Object]) -> Iterator[str]:
    """What a manifest names is in another: accounts, roles, ConfigMaps, claims, volumes, RayJobs, hosts."""
    there = {(each["kind"], each["metadata"]["name"]) for each in objects}
    for pod in pods(objects):
        wanted = [("ServiceAccount", pod.spec["serviceAccountName"])] if "serviceAccountName" in pod.spec else []
        for volume in pod.spec.get("volumes", ()):
            wanted += [("ConfigMap", volume["configMap"]["name"])] if "configMap" in volume else []
            wanted += (
                [("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])]
                if "persistentVolumeClaim" in volume
                else []
            )
        for kind, name in wanted:
            if (kind, name) not in there:
                yield f"{pod.owner}: no {kind} {name}"
        claims = [
            claim["metadata"]["name"]
            for each in objects
            if named(each) == pod.owner
            for claim in each["spec"].get("volumeClaimTemplates", ())
        ]
        volumes = {volume["name"] for volume in pod.spec.get("volumes", ())} | set(claims)
        for mount in (mount for each in pod.containers for mount in each.get("volumeMounts", ())):
            if mount["name"] not in volumes:
                yield f"{pod.owner}: no volume {mount['name']}"
    for binding in kinds(objects, "RoleBinding"):
        wanted = [(binding["roleRef"]["kind"], binding["roleRef"]["name"])]
        wanted += [(each["kind"], each["name"]) for each in binding["subjects"] if each["kind"] == "ServiceAccount"]
        for kind, name in wanted:
            if (kind, name) not in there:
                yield f"{named(binding)}: no {kind} {name}"
    for role in kinds(objects, "Role"):
        for name in (name for rule in role["rules"] for name in rule.get("resourceNames", ())):
            if ("RayJob", name) not in there:
                yield f"{named(role)}: no RayJob {name}"
    for starter in kinds(objects, "CronJob"):
        if ("RayJob", starter["metadata"]["name"]) not in there:
            yield f"{named(starter)}: no RayJob of its name to copy"
    for owner, cluster in clusters(objects):
        address = cluster.get("gcsFaultToleranceOptions", {}).get("redisAddress", "")
        host, _, port = address.removeprefix("redis://").partition(":")
        services = [each for each in kinds(objects, "Service") if each["metadata"]["name"] == host]
        if address and not any(str(each["port"]) == port for service in services for each in service["spec"]["ports"]):
            yield f"{owner}: {address}: no such Service"


def selectors(objects: list[Object]) -> Iterator[str]:
    """A selector finds pods, and those have the ports that it is about."""
    for each in kinds(objects, "NetworkPolicy", "PodDisruptionBudget", "Service", "PodMonitor"):
        spec = each["spec"]
        selector = spec.get("podSelector") or spec["selector"]
        chosen = selected(selector if each["kind"] != "Service" else {"matchLabels": selector}, objects)
        if not chosen:
            yield f"{named(each)}: selects no pod"
        incoming = [port["port"] for rule in spec.get("ingress", ()) for port in rule.get("ports", ())]
        incoming += [port["targetPort"] for port in spec.get("ports", ())] if each["kind"] == "Service" else []
        incoming += [endpoint["port"] for endpoint in spec.get("podMetricsEndpoints", ())]
        for port in incoming:
            if not any(port in pod.ports for pod in chosen):
                yield f"{named(each)}: no pod that it selects has a port {port}"
        for direction, way in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(direction, ()):
                for peer in (peer for peer in rule.get(way, ()) if "podSelector" in peer and "namespaceSelector" not in peer):
                    others = selected(peer["podSelector"], objects)
                    if not others:
                        yield f"{named(each)}: {direction} {way}: selects no pod"
                    for port in (port["port"] for port in rule.get("ports", ()) if direction == "egress"):
                        if not any(port in pod.ports for pod in others):
                            yield f"{named(each)}: {direction}: no pod there has a port {port}"
    for pod in pods(objects):
        for spread in pod.spec.get("topologySpreadConstraints", ()):
            if not all(pod.labels.get(name) == value for name, value in spread["labelSelector"]["matchLabels"].items()):
                yield f"{pod.owner}: topologySpreadConstraints do not select the pod itself"
    for each in kinds(objects, "StatefulSet"):
        labels = each["spec"]["template"]["metadata"]["labels"]
        if not each["spec"]["selector"]["matchLabels"].items() <= labels.items():
            yield f"{named(each)}: does not select its own pods"


def selected(selector: Object, objects: list[Object]) -> list[Pod]:
    wanted = selector.get("matchLabels", {})
    among = {each["key"]: each["values"] for each in selector.get("matchExpressions", ())}
    return [
        pod
        for pod in pods(objects)
        if wanted.items() <= pod.labels.items() and all(pod.labels.get(name) in values for name, values in among.items())
    ]


# --- safety -----------------------------------------------------------------------------------------------------------------


def security(objects: list[Object]) -> Iterator[str]:
    """No root, no way to become it, nothing of the node's, a root file system that stays, and rights in Kubernetes for two."""
    may_ask_kubernetes = {"pageloom-start", "pageloom-autoscaler"}
    for pod in pods(objects):
        context, where = pod.spec.get("securityContext", {}), f"{pod.owner}: {pod.role or 'pod'}"
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            yield f"{where}: may run as root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{where}: seccompProfile is not RuntimeDefault"
        for shared in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(shared):
                yield f"{where}: {shared}"
        for volume in pod.spec.get("volumes", ()):
            if "hostPath" in volume:
                yield f"{where}: hostPath {volume['name']}"
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{where}: {volume['name']} may fill the node's disk"
        if (
            pod.spec.get("automountServiceAccountToken") is not False
            and pod.spec.get("serviceAccountName") not in may_ask_kubernetes
        ):
            yield f"{where}: is given a token for Kubernetes"
        for container in pod.containers:
            own, where = container.get("securityContext", {}), f"{pod.owner}: {container['name']}"
            if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
                yield f"{where}: privileges may be raised"
            if own.get("readOnlyRootFilesystem") is not True:
                yield f"{where}: writes to its own root"
            if own.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{where}: keeps capabilities"
            for variable in container.get("env", ()):
                if re.search("KEY|TOKEN|PASSWORD|SECRET", variable["name"]) and "value" in variable:
                    yield f"{where}: {variable['name']} stands in the manifest"
    if kinds(objects, "Secret"):
        yield "a Secret is among the manifests"


def resources(objects: list[Object]) -> Iterator[str]:
    """Memory that is asked for is all that there is, so that nobody is ended for a neighbour; the object store fits into it."""
    for pod in pods(objects):
        for container in pod.containers:
            given = container.get("resources", {})
            if not given.get("limits", {}).get("memory") or given["limits"]["memory"] != given.get("requests", {}).get(
                "memory"
            ):
                yield f"{pod.owner}: {container['name']}: requests and limits of memory differ"
            if "cpu" not in given.get("requests", {}):
                yield f"{pod.owner}: {container['name']}: asks for no cpu"
    for owner, cluster in clusters(objects):
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
            spec = group["template"]["spec"]
            mounts = {mount["mountPath"]: mount["name"] for mount in spec["containers"][0]["volumeMounts"]}
            memory = [each["emptyDir"] for each in spec["volumes"] if each["name"] == mounts.get("/dev/shm")]
            if not memory or memory[0].get("medium") != "Memory":
                yield f"{owner}: /dev/shm is 64 MB"
                continue
            store, shared = int(group["rayStartParams"]["object-store-memory"]), quantity(memory[0]["sizeLimit"])
            whole = spec["containers"][0]["resources"]["limits"].get("memory", "0Mi")
            if not store <= shared < quantity(whole):
                yield f"{owner}: the object store does not fit into /dev/shm, or that not into the memory"


def quantity(text: str) -> int:
    """Bytes of 8Gi, 512Mi."""
    return int(text[:-2]) << {"Mi": 20, "Gi": 30}[text[-2:]]


# --- Ray --------------------------------------------------------------------------------------------------------------------


def heads(objects: list[Object]) -> Iterator[str]:
    """Nothing that may be lost runs on the head, nobody is sent there, and it asks for a token."""
    for owner, cluster in clusters(objects):
        head = cluster["headGroupSpec"]
        if head["rayStartParams"].get("num-cpus") != "0":
            yield f"{owner}: the head takes work"
        if cluster.get("authOptions", {}).get("mode") != "token":
            yield f"{owner}: no token is asked for"
        if "headService" in head:
            yield f"{owner}: a fixed head service blocks upgrades for ever"
        if "serve" not in Pod(owner, "head", head["template"]).ports:
            yield f"{owner}: the operator makes no Service for Serve without the head's port serve"
    for service in kinds(objects, "RayService"):
        if service["spec"].get("excludeHeadPodFromServeSvc") is not True:
            yield f"{named(service)}: requests go to the head"


def endings(objects: list[Object]) -> Iterator[str]:
    """Whatever ends waits for the longest answer; a pod that ended is replaced, never restarted."""
    for pod in pods(objects):
        if pod.role and pod.spec.get("restartPolicy") != "Never":
            yield f"{pod.owner}: {pod.role}: restartPolicy {pod.spec.get('restartPolicy')}"
    for service in kinds(objects, "RayService"):
        config = yaml.safe_load(service["spec"]["serveConfigV2"])
        answer = config["applications"][0]["args"]["serve"].get("answer_seconds", ServeSettings().answer_seconds)
        if config["http_options"]["request_timeout_s"] != answer:
            yield f"{named(service)}: request_timeout_s is not the {answer:g} s of an answer"
        if service["spec"]["rayClusterDeletionDelaySeconds"] <= answer:
            yield f"{named(service)}: an upgrade cuts answers off"
        for pod in pods([service]):
            if pod.role == "worker":
                hook = pod.spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
                slept = re.findall(r"sleep (\d+)", " ".join(hook))
                if not slept or int(slept[0]) <= answer:
                    yield f"{named(service)}: preStop does not wait for an answer of {answer:g} s"
                elif pod.spec["terminationGracePeriodSeconds"] <= int(slept[0]):
                    yield f"{named(service)}: terminationGracePeriodSeconds ends before preStop does"


def limits(objects: list[Object]) -> Iterator[str]:
    """A job ends by itself: tries, time to start, time in all, and its cluster with it. Templates do not run."""
    for owner, spec in jobs(objects):
        for field in ("backoffLimit", "activeDeadlineSeconds", "preRunningDeadlineSeconds", "ttlSecondsAfterFinished"):
            if field not in spec:
                yield f"{owner}: no {field}"
        if spec.get("shutdownAfterJobFinishes") is not True:
            yield f"{owner}: its cluster outlives it"
        if "backoffLimit" not in spec.get("submitterConfig", {}):
            yield f"{owner}: no submitterConfig.backoffLimit"
    for each in kinds(objects, "RayJob"):
        if each["spec"].get("suspend") is not True:
            yield f"{named(each)}: applying the manifests would run it, or stop what runs"
        if len(each["metadata"]["name"]) + CRON_SUFFIX > LONGEST_RAYJOB:
            yield f"{named(each)}: its copies have too long a name"


Rule = Callable[[list[Object]], Iterator[str]]
RULES: tuple[Rule, ...] = (
    applications,
    entrypoints,
    modules,
    variables,
    versions,
    images,
    probes,
    ports,
    secrets,
    references,
    selectors,
    security,
    resources,
    heads,
    endings,
    limits,
)


def complaints(objects: list[Object]) -> list[str]:
    return [f"{rule.__name__}: {said}" for rule in RULES for said in rule(objects)]
