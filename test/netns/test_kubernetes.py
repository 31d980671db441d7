"""docker/kubernetes.yaml against the schemas of Kubernetes, and against what lanekeeper and
docker/intercept promise.
"""

import pathlib

import kubernetes_validate
import pytest
import yaml

PATH = pathlib.Path(__file__).resolve().parents[2] / "docker" / "kubernetes.yaml"
OBJECTS = {d["kind"]: d for d in yaml.safe_load_all(PATH.read_text())}
POD = OBJECTS["Deployment"]["spec"]["template"]
INTERCEPT, SIDECAR = POD["spec"]["initContainers"]
BOOTSTRAP = yaml.safe_load(OBJECTS["ConfigMap"]["data"]["bootstrap.yaml"])


@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize("version", ["1.29", kubernetes_validate.latest_version()])
def test_the_manifest_is_valid(kind, version):
    kubernetes_validate.validate(OBJECTS[kind], version, strict=True)


def test_a_mistake_would_be_found():
    broken = yaml.safe_load(yaml.safe_dump(OBJECTS["Deployment"]))
    broken["spec"]["template"]["spec"]["initContainers"][1]["startupProb"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.29", strict=True)


def test_the_sidecar_is_native_and_starts_after_the_rules_are_written():
    assert "restartPolicy" not in INTERCEPT
    assert SIDECAR["restartPolicy"] == "Always"
    assert INTERCEPT["securityContext"]["capabilities"]["add"] == ["NET_ADMIN", "NET_RAW"]


def test_the_sidecar_runs_as_the_user_that_the_rules_leave_out_and_without_rights():
    context = SIDECAR["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (1337, 1337)
    assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}


def listener_ports():
    listeners = BOOTSTRAP["static_resources"]["listeners"]
    return {one["name"]: one["address"]["socket_address"]["port_value"] for one in listeners}


def test_the_probes_ask_a_port_that_the_bootstrap_opens_and_the_rules_leave_alone():
    ports = {
        SIDECAR[probe]["httpGet"]["port"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert ports == {listener_ports()["probes"]} == {15021}


def test_the_bootstrap_listens_where_the_rules_send_traffic():
    assert listener_ports()["virtual_outbound"] == 15001
    assert listener_ports()["virtual_inbound"] == 15006


def test_the_drain_ends_before_the_grace_period():
    arguments = SIDECAR["args"]
    drain = int(arguments[arguments.index("--drain-time-s") + 1])
    assert drain < POD["spec"]["terminationGracePeriodSeconds"]


def test_the_lane_comes_from_a_label_of_the_pod():
    lane = next(one for one in SIDECAR["env"] if one["name"] == "LANE")
    assert lane["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['lane']"
    assert POD["metadata"]["labels"]["lane"]


def test_the_configuration_is_mounted_where_the_arguments_say():
    mount = SIDECAR["volumeMounts"][0]
    volume = next(one for one in POD["spec"]["volumes"] if one["name"] == mount["name"])
    assert volume["configMap"]["name"] == OBJECTS["ConfigMap"]["metadata"]["name"]
    arguments = SIDECAR["args"]
    assert arguments[arguments.index("--config-path") + 1] == f"{mount['mountPath']}/bootstrap.yaml"


def test_the_service_leads_to_the_pod():
    selector = OBJECTS["Service"]["spec"]["selector"].items()
    assert selector <= POD["metadata"]["labels"].items()
