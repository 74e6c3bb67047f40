"""Promotion on the real engine: what staging verified, and nothing else, reaches production."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.assembly import Sandbox
from sandbox.pulumi_cli import PulumiError
from tests.conftest import Stack
from tests.engine.promotion_world import WRONG, World

STEPS = int(os.environ.get("ANTGENT_STEPS", "6"))
"""Steps of the random history."""
SEED = int(os.environ.get("ANTGENT_SEED", str(random.randrange(1 << 32))))
EXCUSE = {"reason": "the database is on fire", "by": "ana@example.com"}


@pytest.fixture(scope="module")
def world(sandbox: Sandbox, app_context: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Staging has verified v1.0.0, and production runs it."""
    found = World(tmp_path_factory.mktemp("project"), sandbox.env, app_context)
    try:
        found.build("v1.0.0")
        found.ship(found.staging, "v1.0.0")
        found.ship(found.prod, "v1.0.0")
        yield found
    finally:
        found.close()


@pytest.fixture
def usual(world: World) -> Iterator[World]:
    """The stacks' usual config, before and after a test."""
    before = [(stack, stack.config) for stack in (world.staging, world.prod)]
    yield world
    for stack, config in before:
        stack.configure(config)


def refused(stack: Stack, **keys: object) -> str:
    """The words with which a preview refuses a config."""
    stack.change(**keys)
    try:
        seen = stack.pulumi.preview()
    except PulumiError as error:
        refusal = error
    else:
        pytest.fail(f"{keys} was not refused with {stack.file.read_text()}:\n{seen.output}")
    assert "Traceback" not in refusal.output
    return str(refusal)


def test_production_runs_the_digest_that_staging_verified(usual: World) -> None:
    """Promise 1, asked of the Docker engine: both workloads, both environments, the ledger: one digest."""
    running = usual.running(usual.prod)
    assert running is not None
    assert running == usual.running(usual.staging) == usual.verified()[0]
    assert usual.prod.pulumi.up().changes.total == 0


def test_what_staging_did_not_verify_is_refused_in_preview(usual: World) -> None:
    """Neither what it never ran nor what failed its checks; the refusal lists what is verified, and the fix."""
    before, known = usual.running(usual.prod), usual.verified()
    usual.build("v1.1.0", WRONG)
    said = refused(usual.prod, imageTag="v1.1.0")
    assert "v1.1.0 may not run here: staging has not verified it" in said
    assert f"v1.0.0  {before[:19]}  verified " in said
    assert "pulumi config set antgent:imageTag v1.0.0" in said
    with pytest.raises(PulumiError, match=f"mode = '{WRONG}'"):
        usual.ship(usual.staging, "v1.1.0")
    assert usual.running(usual.staging) != before, "the release that failed its checks does run in staging"
    assert usual.verified() == known
    assert "staging has not verified it" in refused(usual.prod, imageTag="v1.1.0")
    with pytest.raises(PulumiError, match="staging has not verified it"):
        usual.prod.pulumi.up()
    assert usual.running(usual.prod) == before
    # What was verified stays so while staging is broken: a rollback at night must not wait for it.
    environment = usual.prod.config["service"] | {"environment": {"ANTGENT_APP__NAME": "night"}}
    usual.ship(usual.prod, "v1.0.0", service=environment)
    assert usual.running(usual.prod) == before


def test_a_release_that_soaks_may_not_run_yet_unless_overridden(usual: World) -> None:
    """The override is loud, stays in the outputs, and takes the digest that passed; never one that is gone."""
    digest = usual.build("v1.2.0")
    usual.ship(usual.staging, "v1.2.0", verify=usual.staging.config["verify"] | {"soak": 60})
    said = refused(usual.prod, imageTag="v1.2.0")
    assert "staging has verified it, and its soak time ends in " in said
    assert "soaks " in said
    shown = usual.ship(usual.prod, "v1.2.0", override=EXCUSE)
    assert "OVERRIDE: v1.2.0 runs here although staging has not let it soak" in shown
    assert usual.running(usual.prod) == digest
    assert usual.prod.pulumi.outputs()["override"] == {"tag": "v1.2.0", **EXCUSE}
    usual.lose(digest)
    said = refused(usual.prod)
    assert f"@{digest}, the image of v1.2.0 that staging verified " in said
    assert "is no longer in the registry" in said


def test_a_hold_refuses_every_other_release_on_any_environment(usual: World) -> None:
    """In preview, with who holds it and why; the held release itself goes on."""
    usual.ship(usual.prod, "v1.0.0", hold={"tag": "v1.0.0", **EXCUSE})
    outputs = usual.prod.pulumi.outputs()
    assert outputs["hold"] == {"tag": "v1.0.0", **EXCUSE}
    assert "override" not in outputs
    for stack in (usual.prod, usual.staging):
        said = refused(stack, imageTag="v1.1.0", hold={"tag": "v1.0.0", **EXCUSE})
        assert f"must stay v1.0.0 while {EXCUSE['by']} holds it ({EXCUSE['reason']})" in said
        assert f"pulumi config rm --stack {stack.name} 'antgent:hold'" in said


def test_a_tag_moved_after_its_verification_never_runs_its_new_content(usual: World) -> None:
    """A mutable registry: production deploys anew, still the verified digest, and says what happened."""
    verified, other = usual.running(usual.prod), usual.build("v1.3.0", "slow-start")
    usual.move("v1.0.0", to="v1.3.0")
    environment = usual.prod.config["service"] | {"environment": {"ANTGENT_APP__NAME": "moved"}}
    shown = usual.ship(usual.prod, "v1.0.0", service=environment)
    assert f"v1.0.0 was moved in the registry after staging verified it: it means {other}" in shown
    assert usual.running(usual.prod) == verified != other
    assert "hold" not in usual.prod.pulumi.outputs()


class History:
    """Random steps on real stacks, and what must hold after each.

    Args:
        dice: decides.
    """

    def __init__(self, world: World, dice: random.Random) -> None:
        self.world, self.dice = world, dice
        self.modes = {"v2.0.0": "good", "v2.1.0": WRONG}
        self.digests = {tag: world.build(tag, mode) for tag, mode in self.modes.items()}
        self.passed, self.excused = set(world.verified()), set[str]()
        """Kept by the test alone: digests with which staging's `up` ended well, and those that an override was for."""

    def release(self) -> str:
        """Build the next release, which may be one that no check passes."""
        tag, mode = f"v2.{len(self.modes)}.0", self.dice.choice(["good", "good", WRONG, "crash"])
        self.modes[tag], self.digests[tag] = mode, self.world.build(tag, mode)
        return f"release {tag}, {mode}"

    def stage(self, tag: str = "") -> str:
        """Ship any release to staging."""
        tag = tag or self.dice.choice([*self.modes])
        ended = self._up(self.world.staging, tag)
        assert ended == (self.modes[tag] == "good"), f"staging took {tag}: {ended}"
        if ended:
            self.passed.add(self.digests[tag])
        return f"stage {tag}: {ended}"

    def promote(self) -> str:
        """Promote any release, whether verified or not."""
        return self._produce(self.dice.choice([*self.modes]))

    def override(self) -> str:
        """Let a hotfix through."""
        return self._produce(self.dice.choice([*self.modes]), override=EXCUSE)

    def roll_back(self) -> str:
        """Go back to any release, and hold production there."""
        tag = self.dice.choice([*self.modes])
        return self._produce(tag, hold={"tag": tag, **EXCUSE})

    def _produce(self, tag: str, **keys: dict[str, str]) -> str:
        for key in ("override", "hold"):
            self.world.prod.config.pop(key, None)
        if "override" in keys:
            self.excused.add(self.digests[tag])
        ended = self._up(self.world.prod, tag, **keys)
        allowed = self.digests[tag] in self.passed | self.excused
        assert not ended or allowed, f"production took {tag}"
        return f"produce {tag} {[*keys]}: {ended}"

    def _up(self, stack: Stack, tag: str, **keys: dict[str, str]) -> bool:
        try:
            self.world.ship(stack, tag, **keys)
        except PulumiError as error:
            print(str(error).splitlines()[1])
            return False
        return True

    def check(self, before: list[str]) -> None:
        """What must hold after every step."""
        running, known = self.world.running(self.world.prod), self.world.verified()
        assert running in self.passed | self.excused
        assert set(known) <= self.passed
        assert known == before or known[0] == self.world.running(self.world.staging)


def test_no_random_history_brings_production_an_unverified_digest(usual: World) -> None:
    """The same rules as in the stubbed histories (tests/unit/test_promotion_machine.py), with every part real."""
    print(f"ANTGENT_SEED={SEED} ANTGENT_STEPS={STEPS}")
    history = History(usual, random.Random(SEED))
    moves = [
        history.release,
        history.stage,
        history.stage,
        history.promote,
        history.override,
        history.roll_back,
    ]
    for number in range(STEPS):
        before = usual.verified()
        # The first is the same every time, so that a short history has something to promote.
        said = history.dice.choice(moves)() if number else history.stage("v2.0.0")
        print(f"{number + 1}. {said}")
        history.check(before)
