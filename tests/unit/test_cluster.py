"""What the sandbox's cluster writes down and reads, checked without starting anything."""

import asyncio
import contextlib
import io
import ipaddress
import json
import socket
import stat
import struct
import tarfile
import threading
import tomllib
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from sandbox.cluster import (
    addons,
    certs,
    containers,
    control_plane,
    external,
    objects,
    own,
    relay,
    starting,
    versions,
)
from sandbox.cluster.api import path_of
from sandbox.cluster.layout import PORTS, Addresses, Layout, choose, remembered
from sandbox.errors import SandboxError
from sandbox.paths import Home
from sandbox.process import free_port, listening, wait_until

ADDRESSES = Addresses("10.150.0.0/16", {name: 30000 + number for number, name in enumerate(PORTS)})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(Home(tmp_path / "home"), node=True)


def test_the_three_parts_of_the_network_do_not_overlap() -> None:
    """Pods, Services and the link share a /16; an overlap would make some of them unreachable."""
    pods, services = ipaddress.ip_network(ADDRESSES.pods), ipaddress.ip_network(ADDRESSES.services)
    link = ipaddress.ip_network(f"{ADDRESSES.host}/30", strict=False)
    assert ipaddress.ip_address(ADDRESSES.node) in link
    assert ipaddress.ip_address(ADDRESSES.dns) in services
    assert not any(a.overlaps(b) for a, b in ((pods, services), (pods, link), (services, link)))


def test_chosen_addresses_are_remembered_and_distinct(layout: Layout) -> None:
    """Objects and kubeconfigs contain addresses, so a restart must find the same ones."""
    chosen = choose(layout, "10.150.0.0/16")
    assert remembered(layout) == chosen
    assert choose(layout, "10.150.0.0/16") == chosen
    assert len(set(chosen.ports.values())) == len(PORTS)


def test_a_damaged_file_of_choices_is_like_none(layout: Layout) -> None:
    """A half-written file must lead to a new choice, not to a traceback."""
    layout.choices.write_text('{"network": "10.150.0.0/16"')
    assert remembered(layout) is None


def test_two_homes_share_no_name(tmp_path: Path) -> None:
    """Bridges, rules and cgroups are found by name: two clusters must never take each other's."""
    one, other = (Layout(Home(tmp_path / name), node=True) for name in ("one", "other"))
    assert {one.bridge, one.veth, one.mark}.isdisjoint({other.bridge, other.veth, other.mark})
    assert all(len(link) <= 15 for link in (one.bridge, one.veth)), "the kernel allows 15 characters"


def test_every_key_is_readable_by_its_owner_only(layout: Layout) -> None:
    """The administrator's key and the database's are the whole cluster."""
    certs.ensure(layout, ADDRESSES)
    private = [*layout.pki.iterdir(), layout.kubeconfig, *layout.root.glob("*.kubeconfig")]
    assert private
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private)


def test_certificates_are_kept_until_the_addresses_change(layout: Layout) -> None:
    """New certificates restart the cluster, so they are made only when the old ones no longer fit."""
    assert certs.ensure(layout, ADDRESSES) is True
    assert certs.ensure(layout, ADDRESSES) is False
    moved = Addresses("10.151.0.0/16", ADDRESSES.ports)
    assert certs.ensure(layout, moved) is True


def test_certificates_about_to_expire_are_made_anew(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox a year old must not stop with TLS errors."""
    certs.ensure(layout, ADDRESSES)
    monkeypatch.setattr(certs, "RENEW_BEFORE", certs.VALID)
    assert certs.ensure(layout, ADDRESSES) is True


def test_the_api_servers_certificate_holds_where_pods_and_people_call_it(layout: Layout) -> None:
    """A missing name shows only in the one client that uses it."""
    certs.ensure(layout, ADDRESSES)
    certificate = x509.load_pem_x509_certificate((layout.pki / "apiserver.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)
    wanted = {ipaddress.ip_address(one) for one in (ADDRESSES.host, ADDRESSES.service(1), "127.0.0.1")}
    assert wanted <= set(names.get_values_for_type(x509.IPAddress))


def test_the_kubeconfig_names_the_context_and_holds_no_key(layout: Layout) -> None:
    """Its content may end in a provider's state: keys stay in files."""
    certs.ensure(layout, ADDRESSES)
    config = json.loads(layout.kubeconfig.read_text())
    assert config["current-context"] == "antgent-sandbox"
    assert config["clusters"][0]["cluster"]["server"] == ADDRESSES.api
    assert "PRIVATE KEY" not in layout.kubeconfig.read_text()


def test_the_linker_is_told_the_version_that_clients_parse() -> None:
    """Without it the server calls itself v0.0.0-master, and clients refuse to go on."""
    assert f"gitVersion={versions.KUBERNETES}" in versions.ldflags()
    assert "gitMinor=34" in versions.ldflags()


def test_containerd_is_configured_beside_any_other(layout: Layout) -> None:
    """All its places are the home's own, and a machine without CAP_SYS_RESOURCE can run pods."""
    config = tomllib.loads(containers.containerd_config(layout))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert Path(config["root"]).is_relative_to(layout.root)
    assert Path(config["state"]).is_relative_to(layout.run)
    assert cri["restrict_oom_score_adj"] is True
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False


def test_the_sandboxs_registry_is_pulled_from_over_the_link(layout: Layout) -> None:
    """Image references name the host's loopback, which is another one inside the node."""
    containers.trust_registry(layout, ADDRESSES, "127.0.0.1:5001")
    hosts = tomllib.loads((layout.root / "registries" / "127.0.0.1:5001" / "hosts.toml").read_text())
    assert list(hosts["host"]) == [f"http://{ADDRESSES.host}:5001"]


def test_the_pause_image_is_one_that_containerd_can_import(tmp_path: Path) -> None:
    """Every pod starts with it; its digests must be those of its content."""
    program = tmp_path / "pause"
    program.write_bytes(b"program")
    content = _untar(containers.image_archive(program, "a/pause:1"))
    manifest = json.loads(content["manifest.json"])[0]
    assert manifest["RepoTags"] == ["a/pause:1"]
    assert json.loads(content[manifest["Config"]])["config"]["Entrypoint"] == ["/pause"]
    assert _untar(content[manifest["Layers"][0]]) == {"pause": b"program"}


def _untar(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_without_root_the_api_server_needs_no_address_for_pods(tmp_path: Path) -> None:
    """A control plane alone listens on loopback and registers no endpoint that nobody could reach."""
    alone = Addresses("", ADDRESSES.ports)
    command = control_plane.apiserver(Layout(Home(tmp_path), node=False), alone, Path("/bin"))
    assert "--bind-address=127.0.0.1" in command
    assert "--endpoint-reconciler-type=none" in command


def test_status_without_root_says_that_no_pod_runs(tmp_path: Path) -> None:
    """Somebody who sees a healthy API server must learn why his pods stay pending."""
    row = own.pod_network(Layout(Home(tmp_path), node=False), Addresses("", ADDRESSES.ports))
    assert "needs root" in row.health


def test_status_of_a_home_never_started_is_down(tmp_path: Path) -> None:
    """`make status` comes first for many people."""
    assert {row.health for row in own.status(Layout(Home(tmp_path), node=True))} == {"down"}


def test_the_cluster_asks_the_hosts_own_name_servers(tmp_path: Path) -> None:
    """A pod must find names outside of the cluster as the host does."""
    file = tmp_path / "resolv.conf"
    file.write_text("# made by hand\nsearch example.org\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n")
    assert addons.host_resolvers(file) == ["192.0.2.53", "192.0.2.54"]
    assert addons.host_resolvers(tmp_path / "absent") == []


def test_no_name_server_on_the_host_means_no_forwarding(layout: Layout) -> None:
    """CoreDNS refuses to start on `forward` without a target."""
    assert "forward" not in addons.corefile(layout, ADDRESSES, [])
    assert "forward . 192.0.2.53" in addons.corefile(layout, ADDRESSES, ["192.0.2.53"])


def test_an_outside_address_gets_a_name_in_the_cluster() -> None:
    """Pods find Temporal by name, though it runs on the host."""
    service, endpoint = objects.outside_services({"temporal": "10.200.0.1:7233"})
    assert service["metadata"]["name"] == "temporal"
    assert service["spec"]["ports"][0]["port"] == 7233
    assert endpoint["metadata"]["labels"]["kubernetes.io/service-name"] == "temporal"
    assert endpoint["endpoints"][0]["addresses"] == ["10.200.0.1"]


def test_objects_are_applied_at_their_own_address() -> None:
    """The one place that turns a kind into a path: core and named groups, with and without namespace."""
    paths = {
        path_of(one) for one in (*objects.dns_objects(ADDRESSES), *objects.metrics_objects(ADDRESSES, ""))
    }
    assert "/api/v1/namespaces/kube-system/services/kube-dns" in paths
    assert "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/antgent:coredns" in paths
    assert "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io" in paths


@pytest.mark.parametrize(("code", "answers", "expected"), [(0, 1, True), (3, 0, False), (0, 0, False)])
def test_a_name_resolves_only_with_an_address(
    code: int, answers: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that says "no such name" must not count as working DNS."""

    class Answering:
        def __init__(self, *_: object) -> None: ...
        def __enter__(self) -> "Answering":
            return self

        def __exit__(self, *_: object) -> None: ...
        def settimeout(self, _: float) -> None: ...
        def connect(self, _: object) -> None: ...
        def send(self, question: bytes) -> None:
            assert b"\x0akubernetes\x07default" in question

        def recv(self, _: int) -> bytes:
            return struct.pack(">6H", 0x5A5A, 0x8180 | code, 1, answers, 0, 0)

    monkeypatch.setattr(addons.socket, "socket", Answering)
    assert addons.resolves("192.0.2.1", "kubernetes.default") is expected


def test_proxy_settings_go_around_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulling through a company's proxy is fine; asking it for the cluster's own addresses is not."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    env = starting.environment(ADDRESSES)
    assert env["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert {"intranet.example", "10.150.0.0/16", "127.0.0.1"} <= set(env["NO_PROXY"].split(","))


def test_nothing_else_of_our_environment_reaches_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of `make up` may hold tokens; daemons outlive it."""
    monkeypatch.setenv("A_TOKEN", "secret")
    assert "A_TOKEN" not in starting.environment(ADDRESSES)


def test_a_named_context_that_does_not_exist_lists_those_that_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt context is the likeliest mistake there."""
    file = tmp_path / "config"
    context = {"name": "work", "context": {"cluster": "c", "user": "u"}}
    file.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "work", "contexts": [context],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}], "users": [{"name": "u", "user": {}}],
    }))  # fmt: skip
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(SandboxError, match="no context wrok; it has: work"):
        external.version("wrok")
    with pytest.raises(SandboxError, match="context work does not answer"):
        external.version("work")


def test_an_absent_kubeconfig_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback for what a user can cause."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(SandboxError, match="cannot be read"):
        external.version("work")


def test_the_relay_passes_requests_and_answers_on() -> None:
    """Images reach the node through it: an answer must arrive whole."""
    payload = bytes(range(256)) * 4096
    target = socket.create_server(("127.0.0.1", 0))

    def answer_all() -> None:
        with contextlib.suppress(OSError):  # the target was closed: the test is over
            while True:
                connection, _ = target.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + payload)

    server = threading.Thread(target=answer_all, daemon=True)
    server.start()
    port, loop = free_port(), asyncio.new_event_loop()
    passing = loop.create_task(relay.serve(f"127.0.0.1:{port}", f"127.0.0.1:{target.getsockname()[1]}"))
    runner = threading.Thread(target=lambda: _until_cancelled(loop, passing), daemon=True)
    runner.start()
    try:
        assert wait_until(lambda: listening(port), seconds=20)
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=10, trust_env=False).content == payload
    finally:
        loop.call_soon_threadsafe(passing.cancel)
        runner.join(5)
        target.close()
    assert not listening(port)


def _until_cancelled(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[None]") -> None:
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        loop.close()
