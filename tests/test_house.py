"""The house rules that nobody should have to look for, read from the source with ``ast``."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.shared import ROOT

BELOW: dict[str, set[str]] = {
    "schemas": set(),
    "market": {"schemas"},
    "tape": {"schemas"},
    "recorder": {"schemas", "market", "tape"},
    "replay": {"schemas", "market", "tape"},
}
PURE = ("schemas", "market")
# A clock, a file, a socket, a thread, a log or chance cannot come out of these.
PURE_STDLIB = {
    *("bisect", "collections", "collections.abc", "dataclasses", "datetime", "decimal", "enum"),
    *("functools", "hashlib", "heapq", "itertools", "operator", "re", "types", "typing"),
    *("urllib.parse",),
}
PURE_LIBRARIES = {"msgspec", "pyarrow"}
CLOCKS = {"now", "utcnow", "today"}
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "breakpoint"}
DOORS: dict[str, tuple[str, ...]] = {
    "websockets": ("recorder/*.py", "replay/*.py"),
    "aiohttp": ("recorder/*.py", "replay/server/*.py"),
    "click": ("*/cli.py", "*/cli_*.py", "*/console.py"),
    "pyarrow": ("schemas/arrow.py", "tape/*.py", "replay/certi*.py"),
    "rich": ("recorder/*.py", "replay/*.py", "tape/*.py"),
}
ONE_FILE = ("zstandard", "nacl")
LINES = 310

Node = ast.Import | ast.ImportFrom


class Source(NamedTuple):
    """A file of a room."""

    path: Path
    tree: ast.Module

    @property
    def name(self) -> str:
        """For messages."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        """As others import it."""
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def sources(room: str) -> list[Source]:
    """The files of a room; skips if nobody has written it yet."""
    paths = sorted((ROOT / room).rglob("*.py"))
    if not paths:
        pytest.skip(f"{room}/ is not written yet")
    return [Source(path, ast.parse(path.read_text("utf-8"), str(path))) for path in paths]


def everything() -> list[Source]:
    """All rooms that are written."""
    return [s for room in BELOW if any((ROOT / room).rglob("*.py")) for s in sources(room)]


def imported(node: ast.AST) -> list[str]:
    """Modules that a node imports, in full."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "say where from"
        return [node.module or ""]
    return []


def imports(source: Source) -> Iterator[str]:
    """All modules that a file imports, wherever it does."""
    for node in ast.walk(source.tree):
        yield from imported(node)


def reached(source: Source) -> Iterator[str]:
    """The same, and what may be a module of a package: ``from tape import journal``."""
    yield from imports(source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str) -> str:
    """The first part of a name."""
    return module.partition(".")[0]


@pytest.mark.parametrize("room", BELOW)
def test_imports_go_down(room: str) -> None:
    """Never up, never sideways, and never into tests or bench."""
    rooms = {*BELOW, "tests", "bench"}
    for source in sources(room):
        others = {room_of(module) for module in imports(source)} & rooms - {room}
        assert others <= BELOW[room], source.name


@pytest.mark.parametrize("room", BELOW)
def test_imports_stand_at_the_head(room: str) -> None:
    """One inside a function, a condition or a ``TYPE_CHECKING`` would hide a ring."""
    for source in sources(room):
        head = {id(node) for node in source.tree.body}
        for node in ast.walk(source.tree):
            inside = [module for module in imported(node) if room_of(module) in BELOW]
            assert not inside or id(node) in head, f"{source.name}: {inside}"
        assert not {"importlib", "runpy"} & set(imports(source)), source.name
        names = {node.id for node in ast.walk(source.tree) if isinstance(node, ast.Name)}
        assert "__import__" not in names, source.name


def test_there_are_no_rings() -> None:
    """Among files, inside a room too."""
    known = {source.module for source in everything()}
    below = {source.module: set(reached(source)) & known for source in everything()}
    while leaves := {module for module, needs in below.items() if not needs & below.keys()}:
        below = {module: needs for module, needs in below.items() if module not in leaves}
    assert not below


@pytest.mark.parametrize("library", DOORS)
def test_libraries_have_doors(library: str) -> None:
    """Third parties are met in few places."""
    for source in everything():
        if library in {room_of(module) for module in imports(source)}:
            assert any(Path(source.name).match(door) for door in DOORS[library]), source.name


@pytest.mark.parametrize("library", ONE_FILE)
def test_some_libraries_have_one_door(library: str) -> None:
    """One file each."""
    users = [s.name for s in everything() if library in {room_of(m) for m in imports(s)}]
    assert len(users) <= 1


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_import_nothing_that_acts(room: str) -> None:
    """No file, socket, thread, log, clock or chance can be reached from what they import."""
    for source in sources(room):
        for module in imports(source):
            pure = module in PURE_STDLIB or room_of(module) in PURE_LIBRARIES | set(PURE)
            assert pure, f"{source.name} imports {module}"
            assert not module.startswith("pyarrow."), f"{source.name} imports {module}"


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_wait_for_nothing_and_read_no_clock(room: str) -> None:
    """No ``async``, no ``await``, no ``open()``, no ``datetime.now()``."""
    for source in sources(room):
        for node in ast.walk(source.tree):
            where = f"{source.name}:{getattr(node, 'lineno', '')}"
            waits = ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await
            assert not isinstance(node, waits), where
            if isinstance(node, ast.Attribute):
                assert node.attr not in CLOCKS, where
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in IMPURE_CALLS, where


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_know_no_floats(room: str) -> None:
    """Design section 3: integers and exact decimals."""
    for source in sources(room):
        for node in ast.walk(source.tree):
            where = f"{source.name}:{getattr(node, 'lineno', '')}"
            assert not (isinstance(node, ast.Constant) and type(node.value) is float), where
            assert not (isinstance(node, ast.Name) and node.id in ("float", "complex")), where
            assert not isinstance(node, ast.Div), where


def test_what_seals_loads_no_sockets() -> None:
    """A process for each segment: it would take longer to load this room than to seal."""
    (seal,) = (source for source in sources("recorder") if source.name == "recorder/seal.py")
    assert "recorder" not in {room_of(module) for module in imports(seal)}


@pytest.mark.parametrize("room", BELOW)
def test_files_are_small(room: str) -> None:
    """A file is read in one go."""
    sizes = {s.name: len(s.path.read_text("utf-8").splitlines()) for s in sources(room)}
    assert {name: size for name, size in sizes.items() if size > LINES} == {}


@pytest.mark.parametrize("room", BELOW)
def test_every_file_says_what_it_is(room: str) -> None:
    """In its first line."""
    for source in sources(room):
        assert ast.get_docstring(source.tree), source.name
