"""Stack files stay as git knows them, whatever the engine writes into them meanwhile."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.process import wait_until
from sandbox.stack_files import install_shim, unsalted

SALT = "v1:salt=:v1:check:of-the-passphrase=="
TEXT = "# mine\nconfig:\n\n  antgent:imageTag:   'v1'   # the one line\n"
# What the CLI makes of it.
REWRITTEN = "# mine\nconfig:\n  antgent:imageTag: 'v1' # the one line\n"
SALTED = REWRITTEN + f"encryptionsalt: {SALT}\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A sandbox's Pulumi folder whose state holds the salt."""
    state = tmp_path / "home/state/.pulumi/stacks/antgent/local.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"secrets_providers": {"state": {"salt": SALT}}}))
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: antgent\n")
    (folder / "Pulumi.local.yaml").write_text(TEXT)
    return folder / "Pulumi.local.yaml"


def test_every_byte_comes_back(file: Path, home: Path) -> None:
    """Blank lines and aligned comments are the person's, not the CLI's to lay out."""
    file.chmod(0o640)
    with unsalted(file.parent, home):
        file.write_text(SALTED)
    assert (file.read_text(), file.stat().st_mode & 0o777) == (TEXT, 0o640)


def test_a_change_of_config_stays(file: Path, home: Path) -> None:
    """`pulumi config set` changes its key, and only the salt goes."""
    with unsalted(file.parent, home):
        file.write_text(SALTED.replace("'v1' #", "'v2' #"))
    assert file.read_text() == REWRITTEN.replace("'v1' #", "'v2' #")


def test_what_a_person_writes_meanwhile_stays(file: Path, home: Path) -> None:
    """An editor may save during a long `up`."""
    with unsalted(file.parent, home):
        file.write_text(SALTED)
        file.write_text(SALTED + "# more\n" + "environment: [shared]\n")
    assert file.read_text() == REWRITTEN + "# more\nenvironment: [shared]\n"


def test_a_killed_command_is_mended_by_the_next(file: Path, home: Path) -> None:
    """Its last good text is remembered, byte for byte."""
    with unsalted(file.parent, home):
        pass
    file.write_text(SALTED)
    with unsalted(file.parent, home):
        pass
    assert file.read_text() == TEXT


def test_two_commands_at_once_leave_it_clean(file: Path, home: Path) -> None:
    """A preview during an `up` sees the other's salt."""
    with unsalted(file.parent, home):
        file.write_text(SALTED)
        with unsalted(file.parent, home):
            file.write_text(SALTED)
        file.write_text(SALTED)
    assert file.read_text() == TEXT


def test_a_salt_of_somebody_else_stays(file: Path, home: Path) -> None:
    """A salt that our state does not hold could not be restored from anywhere."""
    other = TEXT + "encryptionsalt: v1:other=:v1:check\n"
    file.write_text(other)
    with unsalted(file.parent, home):
        pass
    assert file.read_text() == other


def test_a_file_made_only_for_the_salt_goes(file: Path, home: Path) -> None:
    """A stack without config has no file, and gets none."""
    with unsalted(file.parent, home):
        file.with_name("Pulumi.dev.yaml").write_text(f"encryptionsalt: {SALT}\n")
    assert not file.with_name("Pulumi.dev.yaml").exists()


def test_a_command_in_a_folder_without_stacks_runs(tmp_path: Path, home: Path) -> None:
    """`pulumi version` works anywhere."""
    with unsalted(tmp_path, home):
        pass


def shim(folder: Path, home: Path, script: str) -> Path:
    real = folder / "real engine"
    real.write_text(f"#!/bin/sh\n{script}\n")
    real.chmod(0o755)
    install_shim(folder, real, home)
    return folder / "pulumi"


def test_the_shim_hands_on_arguments_input_and_exit_code(tmp_path: Path, home: Path, file: Path) -> None:
    """It is no more than a `pulumi` to whoever runs it, also from a folder below the project's."""
    below = file.parent / "below"
    below.mkdir()
    script = f"printf '%s|' \"$@\"; cat; printf 'encryptionsalt: {SALT}\\n' >> '{file}'; exit 7"
    command = [shim(tmp_path, home, script), "config", "set", "a b", "$c"]
    done = subprocess.run(command, input="typed", text=True, capture_output=True, cwd=below)
    assert (done.stdout, done.stderr, done.returncode) == ("config|set|a b|$c|typed", "", 7)
    assert file.read_text() == TEXT


def test_the_shim_obeys_cwd(tmp_path: Path, home: Path, file: Path) -> None:
    """`pulumi --cwd` names the project, wherever it is run."""
    script = f"printf 'encryptionsalt: {SALT}\\n' >> '{file}'"
    subprocess.run([shim(tmp_path, home, script), "-C", str(file.parent), "preview"], cwd="/", check=True)
    assert file.read_text() == TEXT


@pytest.mark.parametrize(("number", "to_all"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_the_shim_waits_for_an_engine_that_ends_gracefully(
    tmp_path: Path, home: Path, file: Path, number: signal.Signals, to_all: bool
) -> None:
    """A Ctrl-C (to the terminal's whole group) or a SIGTERM (to the shim) must not cut the clean-up."""
    ready = tmp_path / "ready"
    script = f"""
        trap 'sleep 0.3; echo cancelled; exit 3' INT TERM
        printf 'encryptionsalt: {SALT}\\n' >> '{file}'; touch '{ready}'
        while :; do sleep 0.1; done
    """
    process = subprocess.Popen(
        [shim(tmp_path, home, script), "up"],
        cwd=file.parent,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        assert wait_until(ready.exists, seconds=20)
        os.killpg(process.pid, number) if to_all else process.send_signal(number)
        assert process.communicate(timeout=20)[0] == "cancelled\n"
        assert process.returncode == 3
    finally:
        process.kill()
    assert file.read_text() == TEXT


def test_the_shim_needs_nothing_but_the_standard_library_to_start(tmp_path: Path, home: Path) -> None:
    """It runs before every command: a second spent on imports would be spent a hundred times a day."""
    (tmp_path / "yaml.py").write_text("raise SystemExit('imported')")
    command = [sys.executable, "-X", "importtime", "-m", "sandbox.stack_files", "/bin/true", str(home)]
    checkout = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=checkout, text=True, capture_output=True, check=True)
    assert " yaml" not in done.stderr


def test_the_shim_tells_the_language_host_what_is_installed_faster_than_pip(
    tmp_path: Path, home: Path
) -> None:
    """The same packages as pip tells; whatever else is asked of pip, pip does itself."""
    listing = [sys.executable, "-m", "pip", "list", "-v", "--format", "json"]
    command = shim(tmp_path, home, f"exec {shlex.join(listing)}")
    ours, pips = (
        subprocess.run(one, text=True, capture_output=True, check=True).stdout for one in ([command], listing)
    )
    told = {(one["name"], one["version"], one["location"].rstrip("/")) for one in json.loads(ours)}
    # pip's own answer has a line behind the document now and then.
    real, _ = json.JSONDecoder().raw_decode(pips)
    assert told == {(one["name"], one["version"], one["location"]) for one in real}
    assert "installer" not in ours
    other = shim(tmp_path, home, f"exec {shlex.join([sys.executable, '-m', 'pip', '--version'])}")
    assert subprocess.run([other], text=True, capture_output=True, check=True).stdout.startswith("pip ")
