"""`python -m sandbox.providers NAME [--port N]`: one stand-in, its port printed as the first line."""

import argparse
import importlib
import os
import sys

from sandbox.errors import SandboxError

# Name to module and class; a module is imported only when it is asked for.
STAND_INS = {
    "aws": ("sandbox.providers.aws", "Aws"),
    "docker": ("sandbox.providers.docker", "Docker"),
    "kubernetes": ("sandbox.providers.kubernetes", "Kubernetes"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.providers", description=__doc__)
    parser.add_argument("name", choices=STAND_INS)
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 (the default) takes a free one")
    args = parser.parse_args()
    from sandbox.providers.serving import serve

    module, cls = STAND_INS[args.name]
    try:
        serve(getattr(importlib.import_module(module), cls)(), args.port)
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    # Threads that still wait for a server must not hold up the end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
