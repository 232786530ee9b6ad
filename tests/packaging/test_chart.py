"""The chart: what Helm makes of it holds to Kubernetes' own schemas, and what may not be said is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import tomllib
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from appliance.settings import Settings
from bundle.errors import BundleRefused
from bundle.facts import Facts
from bundle.places import ROOT
from image.chart import chart_name, pack_chart
from image.layout import USER
from image.pins import read_image_pins
from image.tools import helm, schemas
from tests.packaging.made import where
from tests.packaging.small_tree import FACTS

CHART = ROOT / "packaging/chart"
DIGEST = "sha256:" + "0123456789abcdef" * 4
EPOCH = 1_700_000_000
OLDEST, NEWEST = "v1.25.0-local-strict", "v1.37.0-local-strict"

EVERYTHING = """
settings: {listen: "::", workers: 4, metricsFrom: ["10.9.0.0/16"]}
persistence: {size: 50Gi, storageClass: fast, accessMode: ReadWriteOncePod}
media: {volume: {hostPath: {path: /media/usb, type: Directory}}, propagate: true}
documents: {secret: ao-documents, site: acme-berlin, files: [trust.json, licence.json, config.yaml.signed]}
secrets: {secret: provider-keys, names: [ACME_VLLM_KEY, OTHER]}
tls: {secret: gateway-tls, clients: {configMap: client-ca, ask: optional}}
authorities: {configMap: site-ca}
service: {type: LoadBalancer, port: 443, annotations: {a/b: c}}
network:
  upstreams: [{cidr: 10.20.0.0/16, ports: [8000, 8443]}, {cidr: "fd00::/8"}]
  upstreamPods: [{namespace: models, pods: {app: vllm}, ports: [8000]}]
  dns: {enabled: true}
  clients: [10.30.0.0/16]
  clientNamespaces: [apps]
image: {pullSecrets: [site-registry]}
nodeSelector: {disk: ssd}
tolerations: [{key: a, operator: Exists}]
affinity: {nodeAffinity: {}}
priorityClassName: high
podLabels: {part: gateway}
podAnnotations: {part: gateway}
"""


@pytest.fixture(scope="module")
def program() -> Path:
    if os.uname().machine != "x86_64":
        pytest.skip("the pinned Helm is for x86_64")
    return helm(read_image_pins(), where().cache / "tools")


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_chart(CHART, FACTS, DIGEST, EPOCH, tmp_path_factory.mktemp("chart"))


@pytest.fixture(scope="module")
def every_value(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("values") / "values.yaml"
    file.write_text(EVERYTHING)
    return file


def run(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # Of this host's own settings, plugins and registries nothing is asked.
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "HELM_PLUGINS": "/nonexistent"}
    return subprocess.run([str(program), *words], env=environment, capture_output=True, text=True, check=False)


def rendered(program: Path, chart: Path, *words: str) -> dict[str, dict[str, Any]]:
    """The objects by their kinds, of which each is there once."""
    done = run(program, "template", "gw", str(chart), "--namespace", "ai", *words)
    assert done.returncode == 0, done.stderr
    found = [each for each in yaml.safe_load_all(done.stdout) if each]
    kinds = {each["kind"]: each for each in found}
    assert len(kinds) == len(found)
    return kinds


@cache
def _schema(version: str, name: str) -> dict[str, Any]:
    with zipfile.ZipFile(schemas(read_image_pins(), where().cache / "tools")) as archive:
        found = json.loads(archive.read(f"kubernetes_validate/kubernetes-json-schema/{version}/{name}.json"))
    assert isinstance(found, dict)
    return found


def faults(made: dict[str, Any], version: str) -> list[str]:
    """What Kubernetes' schema of this version finds in an object, a member that it does not know included."""
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", made["apiVersion"])
    resources = [Resource.from_contents(_schema(version, "_definitions"))]
    registry: Registry[Any] = resources @ Registry()
    validator = Draft202012Validator(_schema(version, f"{made['kind'].lower()}-{group}"), registry=registry)
    return [f"{each.json_path}: {each.message}" for each in validator.iter_errors(made)]


def test_helm_finds_nothing_to_say(program: Path, chart: Path, every_value: Path) -> None:
    for words in ((), ("--values", str(every_value))):
        done = run(program, "lint", "--strict", str(chart), *words)
        assert done.returncode == 0, done.stdout
        assert "[ERROR]" not in done.stdout
        assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_what_it_makes_holds_to_kubernetes_own_schemas(
    program: Path, chart: Path, every_value: Path, version: str
) -> None:
    for words in ((), ("--values", str(every_value))):
        made = rendered(program, chart, *words)
        assert set(made) == {"ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Service", "StatefulSet"}
        assert {kind: faults(each, version) for kind, each in made.items()} == {kind: [] for kind in made}


def test_the_schemas_do_find_what_is_wrong(program: Path, chart: Path) -> None:
    made = rendered(program, chart)["StatefulSet"]
    made["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRoot"] = True
    made["spec"]["replicas"] = "one"
    assert len(faults(made, NEWEST)) == 2


def test_what_runs_is_the_pinned_image_confined(program: Path, chart: Path) -> None:
    spec = rendered(program, chart)["StatefulSet"]["spec"]
    assert spec["replicas"] == 1
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"localhost/ao-appliance@{DIGEST}"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    confined = pod["securityContext"]
    assert (confined["runAsNonRoot"], confined["runAsUser"], confined["fsGroup"]) == (True, USER, USER)
    assert confined["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["nodeSelector"]["kubernetes.io/arch"] == "amd64"
    assert "initContainers" not in pod
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


def test_it_fetches_nothing_and_hooks_into_nothing(program: Path, chart: Path, every_value: Path) -> None:
    with tarfile.open(chart) as archive:
        names = archive.getnames()
        text = b"".join(stream.read() for each in archive if (stream := archive.extractfile(each))).decode()
    assert not [name for name in names if "charts/" in name or "crds/" in name]
    assert "dependencies:" not in text
    for kind, made in rendered(program, chart, "--values", str(every_value)).items():
        assert not [key for key in made["metadata"].get("annotations") or {} if "helm.sh/hook" in key], kind
    images = re.findall(r"^\s*(?:- )?image: .*$", run(program, "template", "gw", str(chart)).stdout, re.MULTILINE)
    assert len(images) == 1


def test_nothing_leaves_the_pod_unless_it_is_named(program: Path, chart: Path, every_value: Path) -> None:
    policy = rendered(program, chart)["NetworkPolicy"]["spec"]
    assert (policy["egress"], policy["policyTypes"]) == ([], ["Ingress", "Egress"])
    open_to = rendered(program, chart, "--values", str(every_value))["NetworkPolicy"]["spec"]["egress"]
    assert [each["to"][0].get("ipBlock", {}).get("cidr") for each in open_to] == [
        "10.20.0.0/16",
        "fd00::/8",
        None,
        None,
    ]
    assert [[port["port"] for port in each.get("ports", [])] for each in open_to] == [
        [8000, 8443],
        [],
        [8000],
        [53, 53],
    ]


def test_its_settings_are_those_that_the_gateway_reads(program: Path, chart: Path, every_value: Path) -> None:
    text = rendered(program, chart, "--values", str(every_value))["ConfigMap"]["data"]["settings.toml"]
    settings = Settings.model_validate(tomllib.loads(text))
    assert (settings.host, settings.workers, settings.port, str(settings.state_dir)) == (
        "::",
        4,
        8080,
        "/var/lib/ao/state",
    )
    assert [str(each) for each in settings.metrics_from] == ["127.0.0.0/8", "::1/128", "10.9.0.0/16"]
    assert str(settings.tls_certificate) == "/etc/ao/tls/tls.crt"
    assert (str(settings.tls_client_ca), settings.tls_client) == ("/etc/ao/clients/ca.crt", "optional")


def test_the_kubelet_asks_by_a_command_where_it_has_no_certificate_to_show(program: Path, chart: Path) -> None:
    def probes(*words: str) -> list[dict[str, Any]]:
        (container,) = rendered(program, chart, *words)["StatefulSet"]["spec"]["template"]["spec"]["containers"]
        return [container[f"{each}Probe"] for each in ("startup", "liveness", "readiness")]

    for words, scheme in (((), "HTTP"), (("--set", "tls.secret=t"), "HTTPS")):
        asked = [each["httpGet"] for each in probes(*words)]
        assert [(each["path"], each["scheme"]) for each in asked] == [
            *[("/healthz", scheme)] * 2,
            ("/readyz", scheme),
        ]
    asked = [each["exec"]["command"] for each in probes("--set", "tls.secret=t,tls.clients.configMap=ca")]
    assert asked == [*[["/usr/bin/ao", "healthcheck"]] * 2, ["/usr/bin/ao", "healthcheck", "--ready"]]


def test_secrets_and_documents_are_mounted_as_plain_files(program: Path, chart: Path, every_value: Path) -> None:
    """A volume's own names are links, which neither the gateway nor an import follows: a folder below it is mounted."""
    pod = rendered(program, chart, "--values", str(every_value))["StatefulSet"]["spec"]["template"]["spec"]
    mounts = {each["mountPath"]: each for each in pod["containers"][0]["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    for place, name in (("/etc/ao/secrets", "secrets"), ("/media/documents", "documents")):
        assert (mounts[place]["subPath"], mounts[place]["readOnly"]) == ("files", True)
        assert all(each["path"].startswith("files/") for each in volumes[name]["secret"]["items"])
    assert volumes["documents"]["secret"]["items"][1] == {
        "key": "licence.json",
        "path": "files/AO/to-site/acme-berlin/licence.json",
    }
    assert mounts["/media/carried"]["mountPropagation"] == "HostToContainer"


WRONG = {
    "a tag instead of a digest": "image.digest=latest",
    "a shortened digest": "image.digest=sha256:abc",
    "a tag in the name": "image.repository=registry.site/ao-appliance:1.0",
    "a place that is none": "image.repository=Registry Site",
    "a second replica": "replicas=2",
    "a member nobody knows": "image.tag=1.0",
    "another machine": "arch=riscv64",
    "a listener on this pod alone": "settings.listen=127.0.0.1",
    "no worker": "settings.workers=0",
    "workers in words": "settings.workers=many",
    "shared storage": "persistence.accessMode=ReadWriteMany",
    "a size without a number": "persistence.size=plenty",
    "a network that is none": "network.upstreams[0].cidr=10.0.0.0/33",
    "a host instead of a network": "network.clients[0]=gateway.internal",
    "a port that is none": "service.port=70000",
    "secrets without names": "secrets.secret=keys",
    "names without a secret": "secrets.names[0]=KEY",
    "a name no config can have": "secrets.secret=keys,secrets.names[0]=a-b",
    "documents without a site": "documents.secret=docs,documents.files[0]=licence.json",
    "a document of no kind": "documents.secret=docs,documents.site=acme,documents.files[0]=run.sh",
    "two volumes for media": "media.volume.nfs.path=/x,media.volume.hostPath.path=/x",
    "propagation without a host's folder": "media.propagate=true",
    "clients' certificates without TLS": "tls.clients.configMap=ca",
    "less time than it takes to stop": "terminationGracePeriodSeconds=30",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_refused(program: Path, chart: Path, wrong: str) -> None:
    done = run(program, "template", "gw", str(chart), "--set", wrong)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


def test_the_chart_of_the_tree_names_no_image_and_so_installs_nothing(program: Path) -> None:
    done = run(program, "template", "gw", str(CHART))
    assert done.returncode != 0
    assert "digest" in done.stderr


def test_it_is_packed_the_same_twice_with_version_and_digest(chart: Path, tmp_path: Path) -> None:
    assert pack_chart(CHART, FACTS, DIGEST, EPOCH, tmp_path).read_bytes() == chart.read_bytes()
    assert chart.name == chart_name(FACTS) == "ao-appliance-9.8.7-linux-x86_64.chart.tgz"
    with tarfile.open(chart) as archive:
        members = {each.name: each for each in archive}
        described = archive.extractfile("ao-appliance/Chart.yaml")
        assert described is not None
        about = yaml.safe_load(described.read())
    assert (about["version"], about["appVersion"]) == ("9.8.7", "9.8.7")
    assert {(each.uid, each.gid, each.mtime, each.mode) for each in members.values()} == {(0, 0, EPOCH, 0o644)}


def test_a_chart_without_a_place_for_the_digest_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart/Chart.yaml").write_bytes((CHART / "Chart.yaml").read_bytes())
    (tmp_path / "chart/values.yaml").write_text('image:\n  tag: "1"\narch: ""\n')
    with pytest.raises(BundleRefused, match="no one place"):
        pack_chart(tmp_path / "chart", FACTS, DIGEST, EPOCH, tmp_path)


def test_the_machine_is_called_as_kubernetes_calls_it(program: Path, tmp_path: Path) -> None:
    arm = Facts(**{**FACTS.__dict__, "arch": "aarch64"})
    made = rendered(program, pack_chart(CHART, arm, DIGEST, EPOCH, tmp_path))
    assert made["StatefulSet"]["spec"]["template"]["spec"]["nodeSelector"]["kubernetes.io/arch"] == "arm64"
