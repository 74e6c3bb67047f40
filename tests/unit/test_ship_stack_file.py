"""The edit of a stack file: one line changes, every other byte stays, and what is unclear is refused."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from sandbox.paths import CHECKOUT
from ship.errors import Exit, ShipError
from ship.stack_file import UnclearError, Value, edit, edited, replace
from ship.turn import turn

HOLD = {"tag": "v2.0.0", "reason": 'it\'s "slow": # 5 s', "by": "ann@example.com"}
HELD = 'antgent:hold: {tag: v2.0.0, reason: "it\'s \\"slow\\": # 5 s", by: "ann@example.com"}'


def block(*lines: str, end: str = "\n") -> str:
    """A stack file with these lines below `config:`."""
    return end.join(["# head", "config:", *[f"  {line}" for line in lines]]) + end


AWKWARD = {
    "a comment at the end of the line": (
        block("antgent:imageTag:   v1   # the one line", "antgent:owner: me"),
        block("antgent:imageTag:   v2.0.0   # the one line", "antgent:owner: me"),
    ),
    "single quotes": (block("antgent:imageTag: 'v1'"), block("antgent:imageTag: 'v2.0.0'")),
    "double quotes": (block('antgent:imageTag: "v1" '), block('antgent:imageTag: "v2.0.0" ')),
    "a quoted key": (block('"antgent:imageTag": v1'), block('"antgent:imageTag": v2.0.0')),
    "no namespace": (block("imageTag: v1"), block("imageTag: v2.0.0")),
    "CRLF": (
        block("antgent:imageTag: v1", "antgent:owner: me", end="\r\n"),
        block("antgent:imageTag: v2.0.0", "antgent:owner: me", end="\r\n"),
    ),
    "no final newline": (block("antgent:imageTag: v1")[:-1], block("antgent:imageTag: v2.0.0")[:-1]),
    "a byte order mark": (
        "\ufeff" + block("antgent:imageTag: v1"),
        "\ufeff" + block("antgent:imageTag: v2.0.0"),
    ),
    "a document start and end": (
        "---\n" + block("antgent:imageTag: v1") + "...\n",
        "---\n" + block("antgent:imageTag: v2.0.0") + "...\n",
    ),
    "a flow mapping": (
        "config: {antgent:imageTag: v1, antgent:owner: {a: [b]}} # c\n",
        "config: {antgent:imageTag: v2.0.0, antgent:owner: {a: [b]}} # c\n",
    ),
    "an anchor, used elsewhere": (
        block("antgent:imageTag: &tag v1", "antgent:x: *tag"),
        block("antgent:imageTag: &tag v2.0.0", "antgent:x: *tag"),
    ),
    "an alias of another key's anchor": (
        block("antgent:x: &tag v1", "antgent:imageTag: *tag # same"),
        block("antgent:x: &tag v1", "antgent:imageTag: v2.0.0 # same"),
    ),
    "an explicit type": (block("antgent:imageTag: !!str v1"), block("antgent:imageTag: !!str v2.0.0")),
    "a number": (block("antgent:imageTag: 1.0"), block("antgent:imageTag: v2.0.0")),
    "an empty value": (
        block("antgent:imageTag:", "antgent:owner: me"),
        block("antgent:imageTag: v2.0.0", "antgent:owner: me"),
    ),
    "an explicit key": (
        block("? antgent:imageTag", ": v1"),
        block("? antgent:imageTag", ": v2.0.0"),
    ),
    "words of other writing systems": (
        block("antgent:imageTag: v1 # 🚢 läuft", "antgent:owner: Zoë"),
        block("antgent:imageTag: v2.0.0 # 🚢 läuft", "antgent:owner: Zoë"),
    ),
    "the same words in a comment and a value": (
        block("# antgent:imageTag: v1", "antgent:owner: 'antgent:imageTag: v1'", "antgent:imageTag: v1"),
        block("# antgent:imageTag: v1", "antgent:owner: 'antgent:imageTag: v1'", "antgent:imageTag: v2.0.0"),
    ),
    "the same key further down": (
        block("antgent:service:", "  imageTag: v1", "antgent:imageTag: v1"),
        block("antgent:service:", "  imageTag: v1", "antgent:imageTag: v2.0.0"),
    ),
    "no tag yet": (block("antgent:owner: me"), block("antgent:imageTag: v2.0.0", "antgent:owner: me")),
    "an empty config": ("# head\nconfig:\n", "# head\nconfig:\n  antgent:imageTag: v2.0.0\n"),
    "no config": ("encryptionsalt: v1:x\n", "encryptionsalt: v1:x\nconfig:\n  antgent:imageTag: v2.0.0\n"),
    "an empty file": ("", "config:\n  antgent:imageTag: v2.0.0\n"),
    "empty braces": ("config: {}\n", "config: {antgent:imageTag: v2.0.0}\n"),
}


@pytest.mark.parametrize(("before", "after"), AWKWARD.values(), ids=AWKWARD)
def test_the_tag_changes_and_nothing_else(before: str, after: str) -> None:
    """Comments, order, quotes, line ends and layout are somebody's work."""
    assert edited(before, {"imageTag": "v2.0.0"}) == after


HOLDS: dict[str, tuple[str, Mapping[str, Value], str]] = {
    "a new one follows the tag": (
        block("antgent:imageTag: v1 # one", "antgent:owner: me"),
        {"imageTag": "v2.0.0", "hold": HOLD},
        block("antgent:imageTag: v2.0.0 # one", HELD, "antgent:owner: me"),
    ),
    "a new one in a file without a final newline": (
        block("antgent:imageTag: v1")[:-1],
        {"imageTag": "v2.0.0", "hold": HOLD},
        block("antgent:imageTag: v2.0.0", HELD)[:-1],
    ),
    "a new one in braces": (
        "config: {antgent:imageTag: v1, antgent:owner: me}\n",
        {"hold": {"tag": "v1"}},
        "config: {antgent:imageTag: v1, antgent:hold: {tag: v1}, antgent:owner: me}\n",
    ),
    "one of several lines is replaced, what stands around it stays": (
        block("antgent:hold: # why", "  tag: v0", "  reason: x", "", "# about owner", "antgent:owner: me"),
        {"hold": HOLD},
        block(f"{HELD} # why", "", "# about owner", "antgent:owner: me"),
    ),
    "one of one line is replaced": (
        block("antgent:hold: {tag: v0, reason: x} # why", "antgent:imageTag: v2.0.0"),
        {"hold": HOLD},
        block(f"{HELD} # why", "antgent:imageTag: v2.0.0"),
    ),
    "it goes with its lines": (
        block(
            "antgent:imageTag: v1",
            "antgent:hold:",
            "  tag: v1",
            "  # inner",
            "  by: x",
            "# next",
            "antgent:owner: me",
        ),
        {"imageTag": "v2.0.0", "hold": None},
        block("antgent:imageTag: v2.0.0", "# next", "antgent:owner: me"),
    ),
    "it goes from the end of a file": (
        block("antgent:imageTag: v1", "antgent:hold: {tag: v1}")[:-1],
        {"hold": None},
        block("antgent:imageTag: v1"),
    ),
    "it goes from braces": (
        "config: {antgent:hold: {tag: v1}, antgent:imageTag: v1, antgent:override: {by: x}}\n",
        {"hold": None, "override": None},
        "config: {antgent:imageTag: v1}\n",
    ),
    "what is not there cannot go": (block("antgent:owner: me"), {"hold": None}, block("antgent:owner: me")),
}


@pytest.mark.parametrize(("before", "changes", "after"), HOLDS.values(), ids=HOLDS)
def test_holds_and_overrides_come_and_go(before: str, changes: Mapping[str, Value], after: str) -> None:
    """A rollback writes tag and hold in one edit."""
    assert edited(before, changes) == after
    yaml.safe_load(after)


UNCLEAR = {
    "two documents": (block("antgent:imageTag: v1") + "---\na: b\n", "more than one YAML document"),
    "the key twice": (
        block("antgent:imageTag: v1", "antgent:imageTag: v1"),
        r"more than once \(lines 3 and 4\)",
    ),
    "with and without namespace": (block("antgent:imageTag: v1", "imageTag: v2"), "more than once"),
    "config twice": ("config:\n  a: b\nconfig:\n  c: d\n", "more than once"),
    "a value of several lines": (
        block("antgent:imageTag: |", "  v1"),
        r"line 3\) has a value of several lines",
    ),
    "a list": (block("antgent:imageTag:", "- v1"), "not YAML"),
    "config that is a list": ("config:\n- a\n", "does not hold keys"),
    "a file that is a list": ("- a\n", "does not hold keys"),
    "a tab": ("config:\n\tantgent:imageTag: v1\n", r"not YAML \(line 2\)"),
    "a null": ("config: null\n", "null"),
    "an explicit key that takes no line after it": (block("? antgent:imageTag", ": v1"), "not YAML"),
}


@pytest.mark.parametrize(("text", "why"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_is_unclear_is_refused_with_the_reason(text: str, why: str) -> None:
    """A guess in a stack file is a deployment nobody asked for."""
    with pytest.raises(UnclearError, match=why):
        edited(text, {"imageTag": "v2.0.0", "hold": HOLD})


@pytest.mark.parametrize("tag", ["1.0", "on", "null", "0x1F", "2026-01-01", "1e3", "a: b", "é", "-", "v1 #x"])
def test_a_value_that_yaml_would_read_as_something_else_is_quoted(tag: str) -> None:
    """A tag is a text, whatever it looks like."""
    text = edited(block("antgent:imageTag: v1"), {"imageTag": tag})
    assert yaml.safe_load(text)["config"]["antgent:imageTag"] == tag


@pytest.mark.parametrize("file", sorted(CHECKOUT.glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_the_stack_files_of_this_project_can_be_edited_and_put_back(file: Path) -> None:
    """Ours are the first that an operator edits."""
    before = file.read_text()
    tag = yaml.safe_load(before)["config"]["antgent:imageTag"]
    there = edited(before, {"imageTag": "v9.9.9", "hold": HOLD})
    changed = [line for line in there.splitlines() if line not in before.splitlines()]
    assert len(changed) == 2
    assert edited(there, {"imageTag": tag, "hold": None}) == before


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A stack file with one key, readable by its owner only."""
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(block("antgent:imageTag: v1"))
    path.chmod(0o600)
    return path


def test_an_edit_keeps_mode_and_link(file: Path, tmp_path: Path) -> None:
    """Neither the rights nor a link into another folder are ours to change."""
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    before, after = edit(link, {"imageTag": "v2.0.0"})
    assert (link.is_symlink(), file.read_bytes()) == (True, after)
    assert before != after
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["Pulumi.prod.yaml", "link.yaml"]


def test_a_file_that_somebody_else_changed_meanwhile_is_left_alone(file: Path) -> None:
    """Their line is not ours to lose."""
    with pytest.raises(ShipError, match="changed by somebody else") as refused:
        replace(file, b"mine", expected=b"not what is there")
    assert refused.value.code == Exit.BUSY
    assert file.read_text() == block("antgent:imageTag: v1")
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_a_reader_sees_the_old_file_or_the_new_one(file: Path) -> None:
    """`pulumi` may read it at any moment."""
    texts, done = {file.read_bytes()}, threading.Event()
    for number in range(100):
        texts.add(block(f"antgent:imageTag: v{number}.0.0").encode())
    seen: set[bytes] = set()

    def look() -> None:
        while not done.is_set():
            seen.add(file.read_bytes())

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(100):
        edit(file, {"imageTag": f"v{number}.0.0"})
    done.set()
    reader.join()
    assert seen <= texts


def test_a_file_that_is_missing_or_no_text_is_told(file: Path, tmp_path: Path) -> None:
    """Cause and fix, no traceback."""
    with pytest.raises(ShipError, match="cannot be read: No such file"):
        edit(tmp_path / "Pulumi.none.yaml", {"imageTag": "v2"})
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ShipError, match="not UTF-8"):
        edit(file, {"imageTag": "v2"})


def test_one_ship_at_a_time_changes_a_folder(tmp_path: Path) -> None:
    """The second is told who the first is; the lock leaves no file and ends with its holder."""
    with turn(tmp_path):
        with pytest.raises(ShipError, match=f"pid {os.getpid()}") as refused, turn(tmp_path):
            pass
        assert refused.value.code == Exit.BUSY
        assert refused.value.fix.endswith(f"kill -INT {os.getpid()}")
    with turn(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
