"""Import what both workloads import, and list the modules: they alone are worth compiling ahead.

Usage: trial.py OUT_FOLDER. A release that cannot start fails the build here, with its own error.
"""

import os
import sys
from pathlib import Path

APP = "/opt/antgent/app/"
ROOT = "/opt/antgent/"

os.environ["ANTGENT_CONFIG"] = APP + "antgent_image/config.yaml"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


def start_server() -> None:
    import uvicorn
    from antgent.cmd import main  # noqa: F401  all commands of antgent
    from antgent.config import config

    uvicorn.Config(config().server.server, factory=True).load()


def start_worker() -> None:
    import antgent_image.main
    import antgent_image.secrets
    import antgent_image.settings
    import antgent_image.worker  # noqa: F401
    import temporalio.worker
    from temporalloop.config_loader import load_config_from_yaml

    for worker in load_config_from_yaml(os.environ["ANTGENT_CONFIG"])._workers:
        for name in (*worker["workflows"], *worker["activities"]):
            __import__(name.partition(":")[0])
    assert temporalio.worker


def imported() -> list[str]:
    """The source files of the modules that are loaded now, below the environment, sorted."""
    files = {getattr(module, "__file__", None) or "" for module in sys.modules.values()}
    return sorted(file for file in files if file.startswith(ROOT) and file.endswith(".py"))


def main(out: Path) -> None:
    start_server()
    start_worker()
    files = imported()
    out.mkdir()
    (out / "app.txt").write_text("\n".join(file for file in files if file.startswith(APP)))
    (out / "dependencies.txt").write_text("\n".join(file for file in files if not file.startswith(APP)))
    print(f"{len(files)} modules are imported by the server and the worker")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
