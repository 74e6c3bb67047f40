"""Processes of a cluster whose pid files are gone, as after `rm -rf` of a home that was still up."""

import contextlib

import psutil

from sandbox.cluster.layout import Layout

NAMES = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "unshare", "coredns",
         "metrics-server"}  # fmt: skip


def end(layout: Layout) -> bool:
    """Kill what was started for this home and is not known by its pid file. Says if there was any.

    A process is this home's when it is one of our programs and names a file of the home's cluster;
    `unshare` holds the node and takes everything in it along.
    """
    found = [process for process in psutil.process_iter() if _ours(layout, process)]
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=5)
    return bool(found)


def _ours(layout: Layout, process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        line = process.cmdline()
        if any(f"{layout.root}/" in word for word in line):
            return process.name() in NAMES or any(word.endswith("sandbox/cluster/relay.py") for word in line)
    return False
