"""The pages are those of this code: made from it, or checked against it."""

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import click
import pytest

from recorder.cli import record
from replay.cli import replay
from schemas.tables import TABLES
from tape.cli import cli
from tests.docs import METRICS_PAGE, PAGE, metrics_page, page
from tests.shared import ROOT

README = ROOT / "README.md"
DOCS = ROOT / "docs"
ROOMS = ("schemas", "market", "tape", "recorder", "replay")


def commands(group: click.Command) -> Iterator[tuple[str, click.Command]]:
    """All commands below one, by name."""
    context = click.Context(group)
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield name, command


def options(command: click.Command) -> set[str]:
    """Long names."""
    named = {name for parameter in command.params for name in parameter.opts}
    return {name for name in named if name.startswith("--")} - {"--version", "--help"}


def test_tables_page_is_current() -> None:
    """After a change of a row class: ``python -m tests.docs``."""
    assert PAGE.read_text() == page()


def test_metrics_page_is_current() -> None:
    """After a change of a metric: the same."""
    assert METRICS_PAGE.read_text() == metrics_page()


def test_the_readme_has_all_commands_of_bp_tape() -> None:
    """And says how many tables there are."""
    text = README.read_text()
    assert [name for name, _ in commands(cli) if f"bp-tape {name}" not in text] == []
    assert f"[{len(TABLES)} tables]" in text


@pytest.mark.parametrize("command", [record, replay], ids=["bp-record", "bp-replay"])
def test_the_pages_speak_of_all_options(command: click.Command) -> None:
    text = "\n".join(path.read_text() for path in (README, *DOCS.glob("*.md")))
    missing = [name for name in options(command) if not re.search(rf"{name}\b", text)]
    assert missing == []


def test_the_page_on_recording_has_all_of_ctl() -> None:
    text = (DOCS / "recording.md").read_text()
    asked = re.findall(r"ctl (?:--data \S+ )?([a-z]+)", text)
    assert {name for name, _ in commands(record.commands["ctl"])} <= set(asked)


def test_what_architecture_names_is_there() -> None:
    """Classes and files: a page that speaks of what is gone misleads."""
    source = "\n".join(path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    known = set(re.findall(r"\w+", source))
    files = {path.name for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    text = (DOCS / "architecture.md").read_text()
    named = {word for span in re.findall(r"`([^`\n]+)`", text) for word in words(span)}
    assert {name for name in named if name.endswith(".py")} <= files
    assert {name for name in named if not name.endswith(".py")} <= known


def words(span: str) -> Iterator[str]:
    """Names of files, and of classes with what is said of them."""
    if re.fullmatch(r"[\w/*]+\.py", span):
        if "*" not in span:
            yield Path(span).name
    elif re.fullmatch(r"(?:\w+\.)*[A-Z]\w+(?:\.\w+)*", span):
        yield from span.split(".")


def test_the_first_steps_print_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block of Python is run; all lines of the block behind it are among what it prints."""
    monkeypatch.chdir(ROOT)
    text = (DOCS / "first-steps.md").read_text()
    steps = re.findall(r"```python\n(.*?)```\n+```\n(.*?)```", text, re.DOTALL)
    assert len(steps) == text.count("```python")
    for code, output in steps:
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(code, "first-steps.md", "exec"), {})
        assert [line for line in output.splitlines() if line not in printed.getvalue()] == []
