"""A Ctrl-C in a command: one line says what is to be done, and scripts see exit code 130."""

import pytest
import typer

from sandbox.console import told_when_interrupted


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("command", [_interrupt, lambda: typer.run(_interrupt)])
def test_a_ctrl_c_is_answered(
    command, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """typer ends such a command without a word: people did not know what they had left behind."""
    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit) as ended, told_when_interrupted("run it again"):
        command()
    assert ended.value.code == 130
    assert "run it again" in "".join(capfd.readouterr())


def test_another_end_stays_what_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    """A refusal is no interruption."""
    with pytest.raises(SystemExit) as ended, told_when_interrupted("run it again"):
        raise SystemExit(3)
    assert ended.value.code == 3
    assert "run it again" not in "".join(capfd.readouterr())
