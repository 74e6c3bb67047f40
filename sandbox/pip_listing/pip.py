"""Which packages are installed, told in a tenth of the time that pip takes.

The language host that can be built here asks `python -m pip list -v --format json` at every command. With
this folder on PYTHONPATH it is answered here; everything else that is asked of pip, pip does.
"""

import importlib.metadata
import json
import runpy
import sys
from pathlib import Path

QUESTION = ["list", "-v", "--format", "json"]
"""As the language host v3.79.0 asks it (`determinePulumiPackages`)."""


def main() -> None:
    """Answer the one question, or step aside."""
    if sys.argv[1:] == QUESTION:
        found = [
            {"name": one.name, "version": one.version, "location": str(one.locate_file(""))}
            for one in importlib.metadata.distributions()
        ]
        print(json.dumps(found))
        return
    here = Path(__file__).resolve().parent
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != here]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
