"""How the Kubernetes stand-in is configured: what it refuses, and how it finds its cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.providers.base import Call, CheckError, ProviderError
from sandbox.providers.kubernetes import Kubernetes
from sandbox.providers.kubernetes_config import load
from sandbox.providers.kubernetes_settings import config_diff, problems
from sandbox.providers.session import Session


def write_kubeconfig(path: Path, server: str, **user: Any) -> Path:
    """A kubeconfig of one context, `only`."""
    config = {
        "current-context": "only",
        "contexts": [{"name": "only", "context": {"cluster": "c", "user": "u", "namespace": "home"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


class TestSettings:
    """What the provider cannot do is refused, never done otherwise."""

    @pytest.mark.parametrize(
        "key", ["renderYamlToDirectory", "helmReleaseSettings", "skipUpdateUnreachable", "kubconfig"]
    )
    def test_other_settings_are_refused(self, key: str) -> None:
        """Protects from a setting that silently does nothing."""
        with pytest.raises(CheckError, match="not supported"):
            Kubernetes().check_config(Call(Session()), {}, {key: "x"})

    def test_client_side_apply_is_refused(self) -> None:
        """Protects from two ways of owning fields."""
        assert "enableServerSideApply" in problems({"enableServerSideApply": "false"})
        assert not problems({"enableServerSideApply": "true", "kubeconfig": "x", "version": "4"})

    def test_another_cluster_replaces_everything_and_another_path_to_it_nothing(self, tmp_path: Path) -> None:
        """Protects objects from being updated on a cluster that never had them."""
        one, other = (
            write_kubeconfig(tmp_path / name, server)
            for name, server in (("a", "https://a"), ("b", "https://b"))
        )
        again = write_kubeconfig(tmp_path / "c", "https://a")
        assert config_diff({"kubeconfig": str(one)}, {"kubeconfig": str(other)}).replaces == ["kubeconfig"]
        assert config_diff({"kubeconfig": str(one)}, {"kubeconfig": str(again)}).replaces == []
        assert not config_diff({"version": "1"}, {"version": "2"}).is_change


class TestKubeconfig:
    """A kubeconfig is read as kubectl reads it, and says what is wrong with it."""

    def test_a_path_or_the_text_itself(self, tmp_path: Path) -> None:
        """Protects both ways of configuring the provider."""
        path = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:1/")
        for given in (str(path), path.read_text()):
            assert load(given).server == "http://127.0.0.1:1"
            assert load(given).namespace == "home"

    def test_the_environment_names_it_by_default(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Protects `KUBECONFIG`, also when it lists files that are not there."""
        path = write_kubeconfig(tmp_path / "config", "http://here")
        monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/absent:{path}")
        assert load().server == "http://here"

    def test_the_token_of_a_credential_plugin_is_asked_for_once(self, tmp_path: Path) -> None:
        """Protects clusters of a cloud, whose kubeconfig runs a program."""
        count = tmp_path / "count"
        script = f'echo x >> {count}; echo \'{{"status": {{"token": "t0"}}}}\''
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script]}
        auth: Any = load(str(write_kubeconfig(tmp_path / "config", "http://here", exec=plugin))).auth
        assert [auth.token(), auth.token()] == ["t0", "t0"]
        assert count.read_text() == "x\n"

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("/absent/config", "no kubeconfig at /absent/config"),
            ("{", "is not YAML"),
            ("a: 1\nb: 2", "has no context"),
        ],
    )
    def test_what_is_wrong_is_said_with_the_fix(self, given: str, said: str) -> None:
        """Protects from a traceback where a path is mistyped."""
        with pytest.raises(ProviderError, match=said) as failed:
            load(given)
        assert "fix: " in str(failed.value)
