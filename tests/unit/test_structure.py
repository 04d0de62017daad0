# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the repository is built: who may import whom, and that every module is documented, grouped and tested."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
COLLECTION = "ansible_collections.skinnybox.xenserver.plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("[a-z]*.py"))

#: What each part may import of the collection, besides itself.
ALLOWED: dict[str, set[str]] = {
    "model": set(),
    "options": set(),
    "layers": set(),
    "rebase": {"layers"},
    "promotion": {"layers", "rebase"},
    "guest": {"layers"},
    "health": set(),
    "plan": {"model"},
    "golden": {"model"},
    "seed": {"model"},
    "xapi": {"model"},
    "apply": {"model", "plan", "golden", "seed", "xapi"},
    "module": {"model", "plan", "golden", "seed", "xapi", "apply"},
    "modules": {
        "model",
        "options",
        "plan",
        "golden",
        "seed",
        "xapi",
        "apply",
        "module",
        "layers",
        "rebase",
        "promotion",
        "guest",
        "health",
    },
    "inventory": {"model", "xapi"},
    "filter": {"model", "options", "plan", "module"},
    "lookup": set(),
    "action": {"plugin_utils"},
    "plugin_utils": set(),
    "doc_fragments": set(),
}
PURE = {"model", "options", "plan", "golden", "seed"}
#: What pure parts have no use for: a world outside, or Ansible. The seed runs e2fsprogs on files of its own.
IMPURE = {"ansible", "http", "socket", "ssl", "urllib", "xmlrpc", "time", "random", "asyncio", "requests"}
ANSIBLE = {"module", "guest", "modules", "inventory", "filter", "lookup", "action", "plugin_utils"}
NETWORK = {"http", "xmlrpc", "ssl", "urllib"}


def part_of(path: Path) -> str:
    """The part of the collection that a file belongs to."""
    inside = path.relative_to(PLUGINS)
    if inside.parts[0] != "module_utils":
        return inside.parts[0]
    return inside.parts[1].removesuffix(".py")


def imported(path: Path) -> list[str]:
    """Absolute names of all modules that a file imports."""
    names: list[str] = []
    package = [*COLLECTION.split("."), *path.relative_to(PLUGINS).parts[:-1]] if PLUGINS in path.parents else []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            names += [f"{source}.{alias.name}" for alias in node.names]
    return names


def parts_imported(path: Path) -> set[str]:
    """Parts of the collection that a file imports."""
    inside = [name.removeprefix(COLLECTION + ".").split(".") for name in imported(path) if name.startswith(COLLECTION)]
    return {words[1] if words[0] == "module_utils" else words[0] for words in inside}


SOURCES = [path for path in sorted(PLUGINS.rglob("*.py")) if path.name != "__init__.py"]
IDS = [str(path.relative_to(ROOT)) for path in SOURCES]


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_imports_go_one_way(path: Path) -> None:
    part = part_of(path)
    assert parts_imported(path) - {part} <= ALLOWED[part]


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_only_the_outer_parts_know_ansible_and_only_xapi_the_network(path: Path) -> None:
    part, roots = part_of(path), {name.partition(".")[0] for name in imported(path)}
    if part in PURE:
        assert not roots & IMPURE
    if part not in ANSIBLE:
        assert "ansible" not in roots
    if part not in ("xapi", *ANSIBLE):
        assert not roots & NETWORK
    assert "lab" not in roots


def test_the_lab_knows_nothing_of_the_collection() -> None:
    sources = sorted((ROOT / "lab").rglob("*.py"))
    assert sources
    for path in sources:
        assert not [name for name in imported(path) if name.startswith("ansible")], path
        assert "skinnybox" not in path.read_text().lower().replace("skinnybox contributors", ""), path


#: Modules that work where Ansible runs them, in an instance: they have no connection to a host pool.
GUEST_MODULES = [name for name in MODULES if "guest" in parts_imported(PLUGINS / "modules" / f"{name}.py")]
XENSERVER_MODULES = [name for name in MODULES if name not in GUEST_MODULES]
#: Modules that only look, whatever their name.
REPORTS = {"overlay_report"}
#: Modules that carry content from one machine to another; each tells what the other would find.
CARRIERS = {"overlay_export", "overlay_import"}


def test_every_module_that_talks_to_a_host_pool_is_in_the_action_group() -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert sorted(groups["xenserver"]) == XENSERVER_MODULES


def test_every_module_has_integration_tests() -> None:
    there = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "integration").glob("test_*.py")}
    assert set(MODULES) <= there


def load(name: str) -> Any:
    return importlib.import_module(f"{COLLECTION}.modules.{name}")


def documented_options(name: str) -> dict[str, Any]:
    """Options of a module's documentation, those of its fragments among them."""
    documentation = yaml.safe_load(load(name).DOCUMENTATION)
    options = dict(documentation.get("options") or {})
    for fragment in documentation["extends_documentation_fragment"]:
        file, _dot, variant = fragment.removeprefix("skinnybox.xenserver.").partition(".")
        found = importlib.import_module(f"{COLLECTION}.doc_fragments.{file}").ModuleDocFragment
        options.update(yaml.safe_load(getattr(found, variant.upper() or "DOCUMENTATION")).get("options") or {})
    return options


def same(specified: dict[str, Any], documented: dict[str, Any], where: str) -> None:
    """An argument specification says what the documentation says."""
    assert set(specified) == set(documented), where
    for name, option in specified.items():
        words, place = documented[name], f"{where}.{name}"
        assert words["description"], place
        for key in ("type", "elements", "choices", "default"):
            assert option.get(key) == words.get(key), f"{place}: {key}"
        assert bool(option.get("required")) == bool(words.get("required")), f"{place}: required"
        same(option.get("options") or {}, words.get("suboptions") or {}, place)


class Begun(Exception):
    """A module came as far as to open its session."""


def begin_in_guest(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a guest module until it has its options: its argument specification."""
    shared = importlib.import_module(f"{COLLECTION}.module_utils.guest")
    found: dict[str, Any] = {}

    def ansible_module(argument_spec: dict[str, Any], supports_check_mode: bool, **rest: Any) -> None:
        assert supports_check_mode
        found.update(argument_spec)
        raise Begun

    monkeypatch.setattr(shared, "AnsibleModule", ansible_module)
    with pytest.raises(Begun):
        load(name).main()
    return found


def begin(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], bool]:
    """Run a module until it opens its session: its argument specification, and whether that session refuses writes."""
    shared = importlib.import_module(f"{COLLECTION}.module_utils.module")
    found: dict[str, Any] = {}

    class Options(dict[str, Any]):
        def __missing__(self, key: str) -> str:
            return "given"

    def ansible_module(argument_spec: dict[str, Any], **rest: Any) -> SimpleNamespace:
        found["specification"] = argument_spec
        return SimpleNamespace(params=Options(), check_mode=False)

    def client(endpoint: object, read_only: bool) -> None:
        found["read_only"] = read_only
        raise Begun

    monkeypatch.setattr(shared, "AnsibleModule", ansible_module)
    monkeypatch.setattr(shared, "_check_given", lambda *given: None)
    monkeypatch.setattr(shared, "endpoint", lambda options: None)
    monkeypatch.setattr(shared, "Client", client)
    module = load(name)
    monkeypatch.setattr(module, "check", None, raising=False)
    with pytest.raises(Begun):
        module.main()
    return found["specification"], found["read_only"]


@pytest.mark.parametrize("name", MODULES)
def test_documented_options_are_the_real_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    in_guest = name in GUEST_MODULES
    specification = begin_in_guest(name, monkeypatch) if in_guest else begin(name, monkeypatch)[0]
    same(specification, documented_options(name), name)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_shows_examples_by_its_full_name_and_what_it_returns(name: str) -> None:
    module = load(name)
    examples = yaml.safe_load(module.EXAMPLES)
    assert examples
    options = documented_options(name)
    for task in examples:
        arguments = task[f"skinnybox.xenserver.{name}"]
        assert set(arguments) <= set(options)
    for value in yaml.safe_load(module.RETURN).values():
        assert {"description", "returned", "type"} <= set(value)
    assert module.DOCUMENTATION.startswith("\nmodule: " + name)


@pytest.mark.parametrize(
    "name", [name for name in MODULES if not name.endswith("_info") and name not in REPORTS | CARRIERS]
)
def test_every_writing_module_has_an_info_partner(name: str) -> None:
    assert f"{name.removesuffix('s')}_info" in MODULES  # vm_pools brings about what vm_pool_info shows


@pytest.mark.parametrize("name", [name for name in XENSERVER_MODULES if name.endswith("_info")])
def test_info_modules_cannot_write(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert begin(name, monkeypatch)[1]
