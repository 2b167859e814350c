"""Registries, as the real client's public API asks for them."""

import json
import sys

import pytest

pytest.importorskip("wandb")

SESSION = """\
import base64, json, wandb

with wandb.init(project="desk", id="one") as run:
    for text in ("first", "second"):
        artifact = wandb.Artifact("fitted", "model")
        with artifact.new_file("x.txt") as file:
            file.write(text)
        run.log_artifact(artifact).wait()
        run.link_artifact(artifact, "wandb-registry-model/best_one", aliases=[f"is-{text}"])

api = wandb.Api()
every = api.registries()
found = {
    "registries": [each.name for each in every],
    "none": [each.name for each in api.registries(filter={"name": "none"})],
    "collections": [each.name for each in every.collections(filter={"name": {"$regex": "best"}})],
    "odd": [each.name for each in every.collections(filter={"name": "odd"})],
    "versions": [each.version for each in every.collections().versions()],
    "aliased": [each.version for each in api.registry("model").versions(filter={"alias": "is-first"})],
    "members": [each.role for each in api.registry("model").members()],
    "of_type": [each.version for each in api.artifacts("model", "desk/fitted")],
}
attempts = {
    "missing": lambda: api.registry("nothing"),
    "member": lambda: api.registry("model").add_members(base64.b64encode(b"User:7").decode()),
    "other": lambda: api.registry("model", organization="others"),
    "type": lambda: list(api.artifacts("dataset", "desk/fitted")),
}
for name, attempt in attempts.items():
    try:
        attempt()
    except Exception as problem:
        found[name] = str(problem)
print("FOUND" + json.dumps(found))
"""


@pytest.mark.slow
def test_registries_are_listed_searched_and_read(server):
    (server.folder / "session.py").write_text(SESSION)
    said = server.wandb(sys.executable, "session.py")
    found = json.loads(said.partition("FOUND")[2].splitlines()[0])
    assert (found["registries"], found["none"]) == (["model"], [])
    assert (found["collections"], found["odd"]) == (["best_one"], [])
    assert (found["versions"], found["aliased"]) == (["v1", "v0"], ["v0"])
    assert (found["members"], found["of_type"]) == (["admin"], ["v1", "v0"])
    assert "Failed to load registry 'nothing'" in found["missing"]
    assert "has no members of its own" in found["member"]
    assert "no organization 'others'; this server has one: 'local'" in found["other"]
    assert found["type"]
