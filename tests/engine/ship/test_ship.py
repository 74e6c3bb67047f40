"""`ship` on the real engine and Docker: promotions, refusals and rollbacks, with plain `pulumi` beside it."""

import subprocess

import httpx
import pytest

from sandbox.pulumi_cli import PulumiError
from ship.errors import Exit
from tests.engine.ship_project import HEAD, ShipProject


def test_a_plan_shows_everything_and_leaves_everything_as_it_was(project: ShipProject) -> None:
    """`--plan` is for looking: file, state and what runs are untouched."""
    before = project.file("prod").read_bytes(), project.pulumi("prod").export()
    found = project.ship("promote", "--to", "prod", "--plan", "--json").json
    assert (found["outcome"], found["tag"], found["from"]) == ("planned", "v1.1.0", "staging")
    assert found["image"].endswith(project.digest("staging"))
    assert found["previous"]["tag"] == "v1.0.0"
    assert sum(found["preview"].values()) > found["preview"].get("same", 0)
    assert (project.file("prod").read_bytes(), project.pulumi("prod").export()) == before


def test_a_release_is_promoted_and_rolled_back_without_its_source(project: ShipProject) -> None:
    """One changed line there; back also while staging's stack is gone, and then held."""
    before = project.file("prod").read_text()
    project.ship("promote", "--to", "prod", "v1.1.0", "--yes")
    after = project.file("prod").read_text()
    assert after == before.replace("imageTag: v1.0.0", "imageTag: v1.1.0") != before
    assert after.startswith(HEAD)
    assert (project.version("prod"), project.digest("prod")) == ("1.1.0", project.digest("staging"))
    again = project.ship("promote", "--to", "prod", "v1.1.0", "--yes", "--json")
    assert again.json["outcome"] == "nothing to do"
    project.change("prod", promoteFrom="gone")
    found = project.ship("rollback", "prod", "--yes", "--json").json
    assert (found["tag"], found["previous"]["tag"]) == ("v1.0.0", "v1.1.0")
    assert (project.version("prod"), project.config("prod")["hold"]["tag"]) == ("1.0.0", "v1.0.0")
    assert project.pulumi("prod").outputs()["hold"]["reason"] == "rolled back from v1.1.0"
    project.change("prod", promoteFrom="staging")
    said = project.ship("promote", "--to", "prod", "v1.1.0", "--yes", code=Exit.REFUSED)
    assert "on hold at v1.0.0" in said.err
    project.change("prod", imageTag="v1.1.0")
    with pytest.raises(PulumiError, match=r"must stay v1\.0\.0"):
        project.pulumi("prod").preview()
    project.change("prod", imageTag="v1.0.0")
    planned = project.ship("promote", "--to", "prod", "v1.1.0", "--lift-hold", "--plan", "--json").json
    assert planned["outcome"] == "planned"


def test_an_unverified_release_is_refused_with_the_list_of_those_that_are(project: ShipProject) -> None:
    """The gate answers before anything is edited."""
    before = project.file("prod").read_bytes()
    said = project.ship("promote", "--to", "prod", "v1.2.0", "--yes", code=Exit.REFUSED)
    assert "staging has not verified it" in said.err
    assert "v1.1.0" in said.err
    assert "fix:" in said.err
    assert project.file("prod").read_bytes() == before


def test_a_release_that_fails_says_what_runs_and_a_rollback_mends_it(project: ShipProject) -> None:
    """`up` began, so the file stays with what was asked for; one command brings the last good release back."""
    force = ("--override", "the shop is down", "--yes")
    said = project.ship("promote", "--to", "prod", "v1.2.0", *force, code=Exit.BROKEN)
    assert "OVERRIDE" in said.out + said.err
    assert "the database password is missing" in said.err
    assert "last good:  v1.0.0" in said.err
    assert "ship rollback prod" in said.err
    assert "config asks for v1.2.0" in project.ship("status", "prod").out
    project.ship("rollback", "prod", "--yes")
    assert project.version("prod") == "1.0.0"
    assert "override" not in project.config("prod")
    assert project.pulumi("prod").up().changes.total == 0


def test_a_rollback_whose_image_is_gone_is_refused_before_anything_changes(project: ShipProject) -> None:
    """Half a rollback would be worse than none."""
    release = project.pulumi("prod").outputs()["image"]
    host, _, path = release.partition("/")
    manifest = f"http://{host}/v2/{path.replace('@', '/manifests/')}"
    accept = {"accept": "application/vnd.docker.distribution.manifest.v2+json"}
    kept = httpx.get(manifest, headers=accept).raise_for_status()
    before = project.file("prod").read_bytes()
    httpx.delete(manifest).raise_for_status()
    try:
        said = project.ship("rollback", "prod", "v1.0.0", "--yes", code=Exit.REFUSED)
    finally:
        kind = {"content-type": kept.headers["content-type"]}
        httpx.put(manifest, content=kept.content, headers=kind).raise_for_status()
    assert "the image of v1.0.0 is gone" in said.err
    assert project.file("prod").read_bytes() == before


def test_verify_runs_the_checks_again_and_changes_nothing(project: ShipProject) -> None:
    """Neither a deploy nor a word to the ledger."""
    before = project.pulumi("staging").export()
    found = project.ship("verify", "staging", "--json").json
    assert (found["passed"], found["tag"], len(found["checks"])) == (True, "v1.1.0", 1)
    assert project.pulumi("staging").export() == before
    assert "antgent:verify" in project.ship("verify", "prod", code=Exit.REFUSED).err


def test_history_tells_who_shipped_what_also_of_plain_pulumi(project: ShipProject) -> None:
    """Both write the engine's one history."""
    plain = ["pulumi", "up", "--yes", "--skip-preview", "--stack", "prod", "--message", "by hand"]
    subprocess.run(plain, cwd=project.folder, env=project.env, check=True, capture_output=True)
    found = project.ship("history", "prod", "--json").json
    assert (found[0]["tag"], found[0]["message"], found[0]["result"]) == ("v1.0.0", "by hand", "succeeded")
    assert found[-1]["message"].startswith("ship promote v1.0.0 from staging, by ")
    assert found[-1]["by"] in found[-1]["message"]
    status = {one["stack"]: one for one in project.ship("status", "--json").json["environments"]}
    assert status["prod"]["by"] == found[-1]["by"], "who brought the release, not who ran `up` last"
    assert (status["prod"]["drift"], status["prod"]["health"]["state"]) == ([], "healthy")
