"""The merge gate: passes when every job that it needs has passed. Nothing but Python's own library.

Reads `NEEDS`, the workflow's `needs` as JSON; a job that was skipped or cancelled has not passed.
"""

import json
import os
import sys


def verdict(needs: str) -> list[str]:
    """The jobs that have not passed, with what became of them.

    Args:
        needs: `{"job": {"result": "success"}}`; one without any job never passes.
    """
    try:
        jobs = json.loads(needs)
    except ValueError:
        return ["NEEDS is no JSON: give it ${{ toJSON(needs) }}"]
    if not isinstance(jobs, dict) or not jobs:
        return ["NEEDS names no job"]
    results = {name: (job or {}).get("result") for name, job in jobs.items()}
    return [f"{name}: {result}" for name, result in results.items() if result != "success"]


def main() -> int:
    """0 when all have passed."""
    missing = verdict(os.environ.get("NEEDS", ""))
    print("\n".join(f"✗ {one}" for one in missing) or "✓ every job has passed")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
