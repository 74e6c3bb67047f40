"""Tells the story: two releases, staging, verification, promotion, a bad release refused, one rolled back."""

import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from demo import project
from demo.project import BAD, GOOD
from sandbox import assembly
from sandbox.console import say, told_when_interrupted
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT, Home
from ship.errors import Exit


@dataclass
class Story:
    """Runs `ship` where everybody can see it.

    Args:
        folder: the demo's project.
        env: what `ship` needs to find the sandbox.
    """

    folder: Path
    env: dict[str, str]
    step: int = field(default=0)

    def tell(self, text: str) -> None:
        """Begin a step."""
        self.step += 1
        say(f"\n── {self.step}. {text}")

    def ship(self, *words: str, expect: Exit = Exit.DONE) -> None:
        """Run one command as an operator would, and see that it ends as it must.

        Raises:
            SandboxError: it ended in another way.
        """
        say(f"$ ship {shlex.join(words)}")
        started = time.monotonic()
        command = [sys.executable, "-m", "ship", "--cwd", str(self.folder), *words]
        code = subprocess.run(command, cwd=CHECKOUT, env=self.env, stdin=subprocess.DEVNULL).returncode
        say(f"  (exit code {code}, {time.monotonic() - started:.0f} s)")
        if code != expect:
            raise SandboxError(
                f"the story went another way: `ship {shlex.join(words)}` ended with {code}, not {int(expect)}",
                fix="look at what it said above; `make demo` can be run again",
            )


def main() -> None:
    """Start the sandbox with its cluster and tell the story."""
    started = time.monotonic()
    sandbox = assembly.start(Home.default(), "kubernetes")
    folder, env = project.make(sandbox)
    story = Story(folder, env)
    _ship_both(story)
    _refuse_a_bad_one(story)
    _roll_back(story)
    story.tell("What runs where now, and why")
    story.ship("status")
    story.ship("history", "prod")
    say(
        f"\nThe whole story took {time.monotonic() - started:.0f} s. It is yours to go on with:\n"
        f"  cd {folder} && . ./env.sh && ship status\n"
        "  make down stops the sandbox, make purge forgets it"
    )


def _ship_both(story: Story) -> None:
    old, new = GOOD
    story.tell(f"{old} is built once and pushed: tag, tree and version must agree")
    story.ship("release", old, "--yes")
    story.tell(
        f"{old} goes to staging, where it is verified, and from there to prod: the same image, by digest"
    )
    story.ship("promote", "--to", "staging", old, "--yes")
    story.ship("promote", "--to", "prod", "--yes")
    story.tell(f"{new} follows on the same path")
    story.ship("release", new, "--yes")
    story.ship("promote", "--to", "staging", new, "--yes")
    story.ship("verify", "staging")
    story.ship("promote", "--to", "prod", new, "--plan")
    story.ship("promote", "--to", "prod", new, "--yes")


def _refuse_a_bad_one(story: Story) -> None:
    story.tell(f"{BAD} is a bad release: it builds and starts, but what is inside is {GOOD[1]}")
    story.ship("release", BAD, "--yes")
    story.ship("promote", "--to", "staging", BAD, "--yes", expect=Exit.BROKEN)
    story.tell("staging's ledger does not list it, so prod refuses it before anything is touched")
    story.ship("promote", "--to", "prod", BAD, "--yes", expect=Exit.REFUSED)
    story.tell("staging goes back to its last good release")
    story.ship("rollback", "staging", "--yes")


def _roll_back(story: Story) -> None:
    story.tell(f"at night, {GOOD[1]} makes trouble in prod: one command, and a hold so that nobody undoes it")
    story.ship("rollback", "prod", "--reason", "answers are slow since the release", "--yes")
    story.ship("promote", "--to", "prod", GOOD[1], "--yes", expect=Exit.REFUSED)


if __name__ == "__main__":
    try:
        with told_when_interrupted("interrupted; `make demo` can be run again"):
            main()
    except SandboxError as error:
        say(f"error: {error}")
        raise SystemExit(1) from None
