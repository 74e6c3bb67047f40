"""What the sandbox's own cluster is made of, and how it is built."""

KUBERNETES = "v1.34.1"
COREDNS = "v1.12.4"
METRICS_SERVER = "v0.8.0"
PAUSE = "1"

COMPONENTS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)


def ldflags() -> str:
    """Linker flags: no debug symbols, and the version that clients parse from the server's answer.

    Without them Kubernetes calls itself `v0.0.0-master`, which kubectl and Pulumi refuse to read.
    """
    _, minor, _ = KUBERNETES.split(".")
    version = {"gitVersion": KUBERNETES, "gitMajor": "1", "gitMinor": minor, "gitTreeState": "clean"}
    package = "k8s.io/component-base/version"
    return " ".join(["-s", "-w", *(f"-X {package}.{name}={value}" for name, value in version.items())])
