"""What the manifest says agrees with what the program takes."""

from pathlib import Path
from typing import Any

import yaml

from vgproject.config import Limits, load_config

DEPLOY = Path(__file__).parents[2] / "deploy"
AFTER_GRACE = 7
"""Seconds for requests that are being sent, and for the last traces."""


def pod() -> dict[str, Any]:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    [server] = [document for document in documents if document["kind"] == "StatefulSet"]
    return dict(server["spec"]["template"]["spec"])


def test_the_pod_has_time_to_drain_and_its_variables_are_options(tmp_path: Path) -> None:
    spec = pod()
    [container] = spec["containers"]
    assert spec["terminationGracePeriodSeconds"] > Limits().grace_seconds + AFTER_GRACE
    assert container["readinessProbe"]["timeoutSeconds"] > Limits().ready_seconds
    words = (DEPLOY / "Dockerfile").read_text().split()
    image = dict(word.split("=", 1) for word in words if word.startswith("VGPROJECT_"))
    given = {one["name"]: one["value"] for one in container["env"]}
    loaded = load_config({"project": tmp_path}, image | given)
    assert loaded.unknown == ()
    assert loaded.config.allowed_hosts == ["vgproject", "vgproject.example"]
    assert (loaded.config.host, loaded.config.log_format) == ("0.0.0.0", "json")
