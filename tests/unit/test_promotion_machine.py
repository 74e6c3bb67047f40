"""Random histories of two environments: what production may ever run, and what a failed step may change.

The engine alone is stubbed: a step's outputs are kept when it ends well, and dropped when it does not, as
the real engine does (tests/engine/test_promotion.py sees it do so). Config, ledger and promotion are the
program's own.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import settings
from components import ledger, promotions
from components.errors import ArgumentError
from components.ledger import Entry
from components.oci import Release
from components.promoted_image import OverrideArgs, PromotedImageArgs, Promotion, promote
from components.promotions import Promoted

REPOSITORY = "registry.example.com/antgent"
TAGS = st.sampled_from(["v1.0.0", "v1.1.0", "v1.2.0"])
STAGING = {
    "promoteFrom": "release",
    "service": {"runtime": "docker"},
    "verify": {"commands": ["true"], "soak": 30},
}
PROD = {"promoteFrom": "staging", "service": {"runtime": "docker"}}
REASON = {"reason": "the database is on fire", "by": "ana"}


@dataclass
class Environment:
    """A stack: its config, and what the engine keeps of it."""

    config: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    memory: list[Promoted] = field(default_factory=list)
    running: str | None = None
    excused: bool = False


class RefusedError(Exception):
    """A step that the program refused, or that failed."""


class Promotions(RuleBasedStateMachine):
    """Release, verify, fail, promote, roll back, override, hold; and what goes wrong around them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.numbers, self.tags = count(), dict[str, str]()
        self.images: set[str] = set()
        self.staging, self.prod = Environment(dict(STAGING)), Environment(dict(PROD))
        self.passed: dict[str, datetime] = {}
        """Kept by the test alone: each digest that passed, and when its first soak time ends."""
        self.shipped: list[str] = []

    @initialize()
    def begin(self) -> None:
        """Two releases, one of them verified."""
        self.move("v1.0.0")
        self.move("v1.1.0")
        self._attempt(self.staging, {"imageTag": "v1.0.0"}, verifies=True)

    # The world around the program.

    @rule(tag=TAGS)
    def build(self, tag: str) -> None:
        """The release stack builds a tag that is not there."""
        if tag not in self.tags:
            self.move(tag)

    @rule(tag=TAGS)
    def move(self, tag: str) -> None:
        """Somebody pushes other content under the tag."""
        digest = f"sha256:{next(self.numbers):064x}"
        self.images.add(digest)
        self.tags[tag] = digest

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """A registry forgets an image."""
        if self.images:
            gone = data.draw(st.sampled_from(sorted(self.images)))
            self.images.remove(gone)
            self.tags = {tag: digest for tag, digest in self.tags.items() if digest != gone}

    @rule(minutes=st.sampled_from([5, 20, 60]))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.now += timedelta(minutes=minutes)

    # What an operator does.

    @rule(tag=TAGS, passes=st.sampled_from([True, True, False]))
    def ship_to_staging(self, tag: str, passes: bool) -> None:
        """`up` of staging; its checks pass, or do not."""
        self._attempt(self.staging, {"imageTag": tag}, verifies=passes)

    @rule(tag=TAGS)
    def promote(self, tag: str) -> None:
        """`up` of production with another tag."""
        self._attempt(self.prod, {"imageTag": tag})

    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        """Production goes back to a release that it ran, and is held there: one edit, as `ship rollback` makes it."""
        if self.shipped:
            tag = data.draw(st.sampled_from(self.shipped))
            self._attempt(self.prod, {"imageTag": tag, "hold": {"tag": tag} | REASON})

    @rule(tag=TAGS)
    def override(self, tag: str) -> None:
        """A hotfix."""
        self._attempt(self.prod, {"imageTag": tag, "override": REASON})

    @rule(stack=st.sampled_from(["staging", "prod", "prod"]), tag=TAGS)
    def hold(self, stack: str, tag: str) -> None:
        """Somebody holds an environment on a release."""
        environment = self.staging if stack == "staging" else self.prod
        self._attempt(environment, {"hold": {"tag": tag} | REASON}, verifies=True)

    @rule(keys=st.sampled_from([("hold",), ("override",), ("hold", "override")]))
    def lift(self, keys: tuple[str, ...]) -> None:
        """Holds or overrides are removed."""
        for environment in (self.staging, self.prod):
            for key in keys:
                environment.config.pop(key, None)

    # The engine, stubbed.

    def _attempt(self, environment: Environment, change: dict[str, Any], verifies: bool = False) -> None:
        """Edit a stack's config and run `up`; a step that ends badly leaves what the engine keeps as it was."""
        before = ledger.read(environment.outputs)
        environment.config |= change
        try:
            self._up(environment, verifies)
        except RefusedError as refused:
            OUTCOMES[environment.config["promoteFrom"], str(refused)] += 1
            assert ledger.read(environment.outputs) == before, "a failed step changed the ledger"
        else:
            held = environment.config.get("hold")
            how = "overridden" if environment.config.get("override") else "held" if held else "shipped"
            OUTCOMES[environment.config["promoteFrom"], how] += 1
            assert held is None or held["tag"] == environment.config["imageTag"], "a hold was not kept"

    def _up(self, environment: Environment, verifies: bool) -> None:
        config = {f"antgent:{key}": value for key, value in environment.config.items()}
        stack = "staging" if environment is self.staging else "prod"
        if settings.check(config, file=f"Pulumi.{stack}.yaml", env={}):
            raise RefusedError("config")
        tag, given = environment.config["imageTag"], environment.config.get("override")
        source = {"repository": REPOSITORY} if environment is self.staging else self.staging.outputs
        args = PromotedImageArgs(
            source=environment.config["promoteFrom"],
            tag=tag,
            find=self._find,
            override=OverrideArgs(**given) if given else None,
        )
        try:
            found = self._allowed(environment, args, source)
        except ArgumentError as error:
            reasons = ("not verified it", "soak", "no longer in", "never built", "has deployed no release")
            raise RefusedError(next(one for one in reasons if one in str(error))) from None
        let_through = Promoted(tag, found.reference, found.revision, found.repository_arn, found.overridden)
        environment.memory = promotions.remember(environment.memory, let_through)
        digest = found.reference.partition("@")[2]
        environment.running, environment.excused = digest, given is not None
        if environment is self.prod:
            self._judge_production(digest)
            self.shipped.append(tag)
        elif not verifies:
            raise RefusedError("failed verification")
        outputs = {"url": "http://localhost", "tag": tag, "image": found.reference}
        if environment is self.staging:
            outputs["ledger"] = self._entered(tag, found.reference, found.revision)
        environment.outputs = outputs

    def _allowed(
        self, environment: Environment, args: PromotedImageArgs, source: dict[str, Any]
    ) -> Promotion:
        """What `PromotedImage` decides: a held release that ran here before comes back, any other is promoted."""
        if "hold" in environment.config:
            excused = args.override is not None
            known = promotions.come_back(environment.memory, args.tag, self._find, override=excused)
            if known:
                return Promotion(known.image, known.git_revision, known.repository_arn, known.overridden)
        return promote(args, source, self.now)

    def _entered(self, tag: str, image: str, revision: str) -> list[dict[str, Any]]:
        digest = image.partition("@")[2]
        self.passed.setdefault(digest, self.now + timedelta(minutes=30))
        new = Entry(tag, digest, image, revision, self.now, 30)
        return [one.to_output() for one in ledger.enter(ledger.read(self.staging.outputs), new)]

    def _find(self, repository: str, name: str) -> Release | None:
        digest = name if name.startswith("sha256:") else self.tags.get(name)
        return Release(f"{repository}@{digest}") if digest in self.images else None

    def _judge_production(self, digest: str) -> None:
        verified = digest in self.passed and self.now >= self.passed[digest]
        assert verified or self.prod.excused, "production took a digest that staging did not verify"

    @invariant()
    def production_runs_what_was_verified_or_excused(self) -> None:
        """At every moment, not only when it is deployed."""
        assert self.prod.running is None or self.prod.running in self.passed or self.prod.excused

    @invariant()
    def the_ledger_holds_only_what_passed(self) -> None:
        """Nothing enters it by another way."""
        assert {one.digest for one in ledger.read(self.staging.outputs)} <= set(self.passed)


OUTCOMES: Counter[tuple[str, str]] = Counter()
"""How often each step ended how: source of the environment, and what came of it."""


def test_production_never_runs_what_staging_did_not_verify() -> None:
    """In no history that was tried, and they held everything that can happen: a machine that is only
    ever refused would prove nothing."""
    OUTCOMES.clear()
    tried = hypothesis(max_examples=100, stateful_step_count=40, deadline=None, derandomize=True)
    run_state_machine_as_test(Promotions, settings=tried)
    print(dict(OUTCOMES))
    production = {how for source, how in OUTCOMES if source == "staging"}
    assert production >= {
        "shipped", "held", "overridden", "config", "not verified it", "soak", "no longer in"
    }  # fmt: skip
    assert {how for source, how in OUTCOMES if source == "release"} >= {
        "shipped", "held", "config", "never built", "failed verification"
    }  # fmt: skip
