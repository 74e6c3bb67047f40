"""What rules of every runtime ask of an image and of settings in plain text."""

import re

from policies.rules import opaque

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
SECRET_NAME = re.compile(r"(?:^|_)(?:TOKEN|PASSWORD|PASSWD|SECRET|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|DSN)$")


def by_tag(image: object) -> bool:
    """Whether an image is named by something that may change: anything but its digest."""
    return isinstance(image, str) and not opaque(image) and not DIGEST.search(image)


def plain_secret(name: object, value: object) -> bool:
    """Whether a variable is named like a secret and has its value in plain text."""
    return bool(isinstance(name, str) and SECRET_NAME.search(name) and value and not opaque(value))


def is_root(user: object) -> bool:
    """Whether a user (`name`, `uid`, `uid:gid`, nothing) is root."""
    return not opaque(user) and str(user or "0").partition(":")[0] in ("0", "root")
