"""Whether Pulumi's own downloads can be had from here."""

import contextlib
import json
import threading
import time
import urllib.request

from sandbox.paths import cache_dir

SITE = "https://get.pulumi.com/install.sh"
PROBE_SECONDS, REMEMBER_SECONDS = 6, 3600


def vendor_reachable() -> bool:
    """Whether Pulumi's download site answers: asked for at most 6 seconds, and at most once an hour."""
    memory = cache_dir() / "vendor.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(memory.read_text())
        if known["site"] == SITE and 0 <= time.time() - known["asked"] < REMEMBER_SECONDS:
            return known["reachable"]
    reachable = _answers(SITE)
    with contextlib.suppress(OSError):
        memory.write_text(json.dumps({"site": SITE, "asked": time.time(), "reachable": reachable}))
    return reachable


def _answers(url: str) -> bool:
    """Whether a URL can be read; in a thread, since looking up a name has no time limit of its own."""
    answered = threading.Event()

    def ask() -> None:
        with contextlib.suppress(OSError, ValueError), urllib.request.urlopen(url, timeout=PROBE_SECONDS - 1):
            answered.set()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PROBE_SECONDS)
    return answered.is_set()
