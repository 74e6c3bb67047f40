"""The typed `pulumi` on the real engine, in a small project of its own, with the sandbox's environment."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.engine import Engine
from sandbox.engine_env import engine_env
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT, Home
from sandbox.process import wait_until
from sandbox.pulumi_cli import FIXES, Pulumi, PulumiError

PROGRAM = """
import os
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider, UpdateResult

class Worker(ResourceProvider):
    def create(self, props):
        import os, pathlib, time
        if props["mood"] == "broken":
            raise Exception("exit code 3: it could not start")
        gate = pathlib.Path(os.environ.get("GATE", "/"))
        if gate.name:
            gate.with_suffix(".reached").touch()
        for _ in range(600):
            if not gate.exists():
                time.sleep(0.1)
        return CreateResult("worker-1", props)
    def update(self, id, old, new):
        return UpdateResult(new)

class Thing(Resource):
    mood: pulumi.Output[str]
    def __init__(self, name, mood):
        super().__init__(Worker(), name, {"mood": mood})

config = pulumi.Config()
if config.get("mood") == "wrong":
    raise pulumi.RunError("antgent:mood is wrong\\n  fix: pulumi config set mood well")
thing = Thing("worker", config.get("mood") or "well")
pulumi.export("mood", thing.mood)
pulumi.export("token", pulumi.Output.secret("s3cret-of-the-test"))
"""

# Laid out as no YAML printer would, so that a rewrite shows.
STACK_FILE = """\
# What only this stack says.
config:

  antgent:image:   {tag: "0.3.2"}    # the one line
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "a home")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git checkout with one program and one stack file, all committed."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: antgent\nruntime: python\n")
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "Pulumi.local.yaml").write_text(STACK_FILE)
    (folder / ".gitignore").write_text("__pycache__/\n")
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start", "--no-verify"]):
        subprocess.run([*git, *command], check=True)
    return folder


@pytest.fixture
def env(engine: Engine, home: Home) -> dict[str, str]:
    return engine_env(engine, home)


@pytest.fixture
def pulumi(project: Path, env: dict[str, str]) -> Pulumi:
    stack = Pulumi(project, "local", env)
    stack.stack_init()
    return stack


class Busy:
    """A program that is in the middle of `Pulumi.up`: its one resource waits (a minute) to be let on."""

    def __init__(self, pulumi: Pulumi, folder: Path) -> None:
        self.gate, self.said = folder / "gate", folder / "said"
        script = f"""if True:
            from pathlib import Path
            from sandbox.pulumi_cli import Pulumi
            Pulumi(Path({str(pulumi.project)!r}), "local", {{}}).up(stream=True)"""
        env = {**os.environ, **pulumi.env, "GATE": str(self.gate)}
        with self.said.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", script], cwd=CHECKOUT, env=env, stderr=stderr
            )

    @property
    def family(self) -> list[psutil.Process]:
        """It and everything that it started."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def end(self) -> None:
        for process in self.family if self.process.poll() is None else []:
            process.kill()
        self.process.wait()


@pytest.fixture
def busy(pulumi: Pulumi, tmp_path: Path) -> Iterator[Busy]:
    program = Busy(pulumi, tmp_path)
    try:
        assert wait_until((tmp_path / "gate.reached").exists, seconds=90), program.said.read_text()
        yield program
    finally:
        program.end()


def dirt(project: Path) -> str:
    command = ["git", "-C", str(project), "status", "--porcelain"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def processes_of(env: dict[str, str]) -> list[str]:
    """Everything that still runs with this sandbox's environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PULUMI_HOME") == env["PULUMI_HOME"]:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def plugin(process: psutil.Process) -> bool:
    """Whether a process is a language host or a plugin, or was started by one."""
    words = [word for one in (process, *process.parents()) for word in one.cmdline()]
    return any("pulumi-language" in word or "pulumi-resource" in word for word in words)


def test_a_whole_life_of_a_stack_leaves_git_clean(pulumi: Pulumi) -> None:
    """The passphrase's salt and the CLI's own layout must not turn up as somebody's change."""
    assert dirt(pulumi.project) == "", "after init"
    planned = pulumi.preview()
    assert (planned.changes.counts, dirt(pulumi.project)) == ({"create": 2}, "")
    made = pulumi.up()
    assert (made.changes.counts, dirt(pulumi.project)) == ({"create": 2}, "")
    again = pulumi.up()
    assert (again.changes.total, again.changes.counts, dirt(pulumi.project)) == (0, {"same": 2}, "")
    assert pulumi.outputs() == {"mood": "well", "token": "[secret]"}
    assert pulumi.outputs(show_secrets=True)["token"] == "s3cret-of-the-test"
    assert pulumi.destroy().changes.counts == {"delete": 2}
    pulumi.stack_remove()
    assert dirt(pulumi.project) == ""


def test_making_a_stack_twice_keeps_the_first(pulumi: Pulumi) -> None:
    """`make up` makes the stack each time; the second must not lose its secrets."""
    before = pulumi.export()
    assert pulumi.stack_init() is False
    assert pulumi.export() == before


def test_plain_pulumi_in_a_shell_works_on_the_same_stack(pulumi: Pulumi) -> None:
    """After `eval "$(make -s env)"` a person's own commands share state, secrets and clean files."""
    salt = pulumi.export()["deployment"]["secrets_providers"]["state"]["salt"]
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in pulumi.env.items())
    commands = """
        set -e
        pulumi stack select local
        pulumi preview
        pulumi config set --secret --path 'antgent:secrets.TOKEN' from-the-shell
        pulumi config get --path 'antgent:secrets.TOKEN'
        pulumi up --yes
        pulumi stack output --show-secrets
        pulumi destroy --yes
    """
    # An inherited passphrase would otherwise win over the sandbox's own.
    shell = {**os.environ, "PULUMI_CONFIG_PASSPHRASE": "of somebody else"}
    done = subprocess.run(
        ["bash", "-c", exports + commands], cwd=pulumi.project, env=shell, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "from-the-shell" in done.stdout
    text = (pulumi.project / "Pulumi.local.yaml").read_text()
    assert "encryptionsalt" not in text
    assert text.startswith(STACK_FILE.partition("\n")[0])
    assert pulumi.export()["deployment"]["secrets_providers"]["state"]["salt"] == salt
    assert pulumi.config_get("antgent:secrets.TOKEN", path=True) == "from-the-shell"


def test_secrets_are_nowhere_in_the_home(pulumi: Pulumi, home: Home) -> None:
    """State, backups and logs hold ciphertext only, and the passphrase is in its one file."""
    pulumi.config_set("antgent:token", "s3cret-of-the-config", secret=True)
    pulumi.up()
    passphrase = (home.root / "pulumi" / "passphrase").read_text().strip()
    for secret in ("s3cret-of-the-config", "s3cret-of-the-test", passphrase):
        places = [
            file for file in home.root.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()
        ]
        assert [file.name for file in places] == (["passphrase"] if secret == passphrase else [])


def test_a_changed_setting_is_one_update(pulumi: Pulumi) -> None:
    """Changes and steps come from the engine's own events, with what differs."""
    pulumi.up()
    pulumi.config_set("mood", "better")
    outcome = pulumi.preview()
    assert outcome.changes.counts == {"update": 1, "same": 1}
    changed = [step for step in outcome.steps if step.op == "update" and step.name == "worker"]
    assert [step.diffs for step in changed] == [("mood",)]


def test_an_error_of_the_program_is_shown_in_its_own_words(pulumi: Pulumi) -> None:
    """A config error reads as the program wrote it: no traceback, no engine noise."""
    pulumi.config_set("mood", "wrong")
    with pytest.raises(PulumiError) as failure:
        pulumi.preview()
    assert failure.value.errors == ("antgent:mood is wrong\n  fix: pulumi config set mood well",)
    assert (failure.value.command, failure.value.exit_code > 0) == ("preview", True)


def test_an_error_of_a_resource_names_it(pulumi: Pulumi) -> None:
    """A failed resource is told with its name and its cause, once; the next good `up` repairs it."""
    pulumi.config_set("mood", "broken")
    with pytest.raises(PulumiError) as failure:
        pulumi.up()
    assert failure.value.errors == ("worker: exit code 3: it could not start",)
    pulumi.config_set("mood", "well")
    assert pulumi.up().changes.counts["create"] == 1


def test_a_stack_that_is_not_there_is_told_with_the_fix(project: Path, env: dict[str, str]) -> None:
    """The commonest mistake of all gets its own hint."""
    with pytest.raises(PulumiError, match=r"no stack named 'nowhere'[\s\S]+fix: .*stack init"):
        Pulumi(project, "nowhere", env).preview()


def test_a_state_of_another_passphrase_is_told_as_such(pulumi: Pulumi, home: Home) -> None:
    """Whoever copies a home without its passphrase learns what is wrong."""
    pulumi.up()
    (home.root / "pulumi" / "passphrase").write_text("another\n")
    with pytest.raises(PulumiError, match="passphrase"):
        pulumi.outputs(show_secrets=True)


def test_a_ctrl_c_ends_the_engine_gracefully(busy: Busy, pulumi: Pulumi) -> None:
    """One SIGINT to our process alone: the resource in flight is finished and recorded, the lock given back."""
    busy.process.send_signal(signal.SIGINT)
    assert wait_until(lambda: "cancelling" in busy.said.read_text(), seconds=30)
    assert busy.process.poll() is None, "it waits for the engine"
    busy.gate.touch()
    assert busy.process.wait(timeout=60) in (130, -signal.SIGINT)
    assert pulumi.locks() == []
    assert (dirt(pulumi.project), processes_of(pulumi.env)) == ("", [])
    assert [step.op for step in pulumi.preview().steps if step.name == "worker"] == ["same"]


def test_a_second_ctrl_c_ends_it_at_once(busy: Busy, pulumi: Pulumi) -> None:
    """Who cannot wait need not, and the next `up` works."""
    for _ in range(2):
        busy.process.send_signal(signal.SIGINT)
        assert wait_until(lambda: "cancelling" in busy.said.read_text(), seconds=30)
    assert busy.process.wait(timeout=30) in (130, -signal.SIGINT)
    assert pulumi.up().changes.counts["create"] == 1
    assert (pulumi.locks(), dirt(pulumi.project), processes_of(pulumi.env)) == ([], "", [])


def test_a_locked_stack_says_who_holds_it(busy: Busy, pulumi: Pulumi) -> None:
    """A second `up` must not run, and must name the first; a preview may look on."""
    with pytest.raises(SandboxError) as failure:
        pulumi.up()
    (lock,) = pulumi.locks()
    assert str(lock.pid) in failure.value.problem
    assert failure.value.fix.endswith(f"kill -INT {lock.pid}")
    assert lock.pid in [process.pid for process in busy.family]
    assert pulumi.preview().changes.total > 0


def test_the_next_up_mends_what_a_killed_one_left(busy: Busy, pulumi: Pulumi) -> None:
    """kill -9 leaves a lock, a salted file, a pending resource and plugins; none of it is anybody's work."""
    (lock,) = pulumi.locks()
    # The plugins are left running, as the kernel's own killer would leave them.
    for process in [process for process in busy.family if not plugin(process)]:
        process.kill()
    busy.process.wait()
    assert wait_until(lambda: lock.stale, seconds=10)
    assert "encryptionsalt" in (pulumi.project / "Pulumi.local.yaml").read_text()
    assert processes_of(pulumi.env) != []
    assert pulumi.up().changes.total > 0
    assert (pulumi.locks(), dirt(pulumi.project), processes_of(pulumi.env)) == ([], "", [])


def test_a_lock_that_only_the_engine_met_is_told_too(busy: Busy, pulumi: Pulumi) -> None:  # noqa: ARG001
    """Of two that look at the locks at the same moment both go on; the engine's refusal is then the answer."""
    for stream in (False, True):
        with pytest.raises(PulumiError, match="currently locked") as failure:
            pulumi.run("up", "--yes", "--skip-preview", stream=stream)
        assert not failure.value.steps
        assert failure.value.fix == FIXES["currently locked"]
