"""Meeting the plugins: the built-in ones, those installed with an entry point, and single files."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pluggy

from recgen_bench.harness import hookspecs
from recgen_bench.harness.errors import PluginError, ProtocolError, RecgenError, did_you_mean, located
from recgen_bench.harness.protocol import Protocol, load_protocols
from recgen_bench.harness.registration import (
    CheckInfo,
    DatasetInfo,
    ExecutorInfo,
    MethodInfo,
    MetricInfo,
    PriorInfo,
    ProtocolSource,
    check_name,
)

_LOADS = itertools.count(1)

GROUP = "recgen_bench"
BUILT_IN = (
    "recgen_bench.methods",
    "recgen_bench.methods.priors",
    "recgen_bench.datasets",
    "recgen_bench.metrics",
    "recgen_bench.harness.executors",
    "recgen_bench.harness.builtin_protocols",
)

Info = TypeVar("Info", MethodInfo, DatasetInfo, MetricInfo, PriorInfo, ExecutorInfo, CheckInfo, Protocol)


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """One plugin as `recgen-bench plugins` lists it."""

    name: str
    source: str
    hooks: tuple[str, ...] = ()
    error: str = ""


@dataclass(slots=True)
class Registry:
    """Everything the plugins offer, by name."""

    methods: dict[str, MethodInfo] = field(default_factory=dict)
    datasets: dict[str, DatasetInfo] = field(default_factory=dict)
    metrics: dict[str, MetricInfo] = field(default_factory=dict)
    priors: dict[str, PriorInfo] = field(default_factory=dict)
    protocols: dict[str, Protocol] = field(default_factory=dict)
    executors: dict[str, ExecutorInfo] = field(default_factory=dict)
    checks: dict[str, CheckInfo] = field(default_factory=dict)
    plugins: list[PluginStatus] = field(default_factory=list)
    manager: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager(GROUP))

    def method(self, name: str) -> MethodInfo:
        """Return a method by name, or raise PluginError with the closest names."""
        return _lookup(self.methods, name, "method")

    def dataset(self, name: str) -> DatasetInfo:
        """Return a data set by name, or raise PluginError with the closest names."""
        return _lookup(self.datasets, name, "data set")

    def metric(self, name: str) -> MetricInfo:
        """Return a metric by name, or raise PluginError with the closest names."""
        return _lookup(self.metrics, name, "metric")

    def protocol(self, name: str) -> Protocol:
        """Return a protocol by name, or raise PluginError with the closest names."""
        return _lookup(self.protocols, name, "protocol")

    def protocol_for(self, dataset: DatasetInfo, name: str | None) -> Protocol:
        """Return a protocol that is for a data set, the data set's own when none is named.

        Raises:
            PluginError: There is no protocol of this name.
            ProtocolError: It is for other data sets; those for this one are named.
        """
        protocol = self.protocol(name or dataset.protocol)
        if dataset.name not in protocol.datasets:
            usable = sorted(each.name for each in self.protocols.values() if dataset.name in each.datasets)
            what = f"{protocol.name} is not a protocol for {dataset.name}"
            hint = f"protocols for {dataset.name}: {', '.join(usable)}"
            raise ProtocolError(what, hint=hint, where="--protocol")
        return protocol

    def prior(self, name: str) -> PriorInfo:
        """Return a prior by name, or raise PluginError with the closest names."""
        return _lookup(self.priors, name, "prior")

    def executor(self, name: str) -> ExecutorInfo:
        """Return an executor by name, or raise PluginError with the closest names."""
        return _lookup(self.executors, name, "executor")


def load_registry(files: Iterable[Path] = ()) -> Registry:
    """Load all plugins and collect what they register.

    The environment variable RECGEN_PLUGINS names the distributions whose entry points are loaded, separated
    by commas; when it is set and empty, only the built-ins are. A plugin that fails is reported in
    `Registry.plugins` and skipped; one that was named on the command line raises.

    Args:
        files: Single-file plugins named on the command line.

    Raises:
        PluginError: A file does not import, registers a name twice, or implements an unknown hook.
    """
    registry = Registry()
    registry.manager.add_hookspecs(hookspecs)
    for module in BUILT_IN:
        _add(registry, module.rpartition(".")[2], "built in", _importer(module))
    entries, missing = _entry_points()
    for entry in entries:
        version = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "entry point"
        try:
            _add(registry, entry.name, version, entry.load)
        except (Exception, SystemExit) as error:  # noqa: BLE001 # A stranger's plugin may fail in any way.
            registry.plugins.append(
                PluginStatus(entry.name, version, error=f"{type(error).__name__}: {error}")
            )
    for name in missing:
        reason = f"no installed distribution of this name has an entry point in {GROUP}"
        registry.plugins.append(PluginStatus(name, "RECGEN_PLUGINS", error=reason))
    for path in files:
        try:
            with located(str(path)):
                hooks = _add(registry, path.stem, str(path), partial(_import_file, path))
        except RecgenError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"the plugin does not load: {type(error).__name__}: {error}", where=str(path)
            ) from error
        if not hooks:
            hint = "mark its functions with @hookimpl from recgen_bench.harness"
            raise PluginError("the plugin implements no hook", hint=hint, where=str(path))
    return registry


def _importer(module: str) -> Callable[[], Any]:
    return lambda: importlib.import_module(module)


def _entry_points() -> tuple[list[importlib.metadata.EntryPoint], list[str]]:
    """Return the entry points to load, and the names in RECGEN_PLUGINS that nothing answers to."""
    entries = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name)
    chosen = os.environ.get("RECGEN_PLUGINS")
    if chosen is None:
        return entries, []
    names = {_normal(name): name.strip() for name in chosen.split(",") if name.strip()}
    found = {_normal(entry.dist.name) for entry in entries if entry.dist}
    wanted = [entry for entry in entries if entry.dist and _normal(entry.dist.name) in names]
    return wanted, [name for key, name in names.items() if key not in found]


def _normal(distribution: str) -> str:
    """Return a distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def _import_file(path: Path) -> Any:
    if not path.is_file():
        raise PluginError("no such plugin file", where=str(path))
    # A name of its own at every load: annotations of dataclasses are looked up in the module of this name.
    name = f"recgen_plugin_{path.stem}_{next(_LOADS)}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError("not a Python file", expected="a name ending in .py", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _add(registry: Registry, name: str, source: str, load: Callable[[], Any]) -> tuple[str, ...]:
    """Load one plugin, take what its hooks register, all of it or nothing, and return the hooks' names."""
    plugin = load()
    manager = registry.manager
    if manager.is_registered(plugin) or manager.has_plugin(f"{source}:{name}"):
        raise PluginError("the plugin is loaded already", got=name, where=source)
    try:
        manager.register(plugin, name=f"{source}:{name}")
        manager.check_pending()
        others = [other for other in manager.get_plugins() if other is not plugin]
        taken: list[tuple[dict[str, Any], Any]] = []
        for hook, kind, accepted, table in _tables(registry):
            offered: list[Any] = []
            manager.subset_hook_caller(hook, remove_plugins=others)(register=offered.append)
            names = set(table)
            for info in _unpacked(offered, hook, accepted):
                if check_name(info.name, kind) in names:
                    raise PluginError(
                        f"a {kind} of this name is registered already", got=info.name, where=source
                    )
                names.add(info.name)
                taken.append((table, info))
    except BaseException:
        if manager.is_registered(plugin):
            manager.unregister(plugin)
        raise
    for table, info in taken:
        table[info.name] = info
    hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(plugin) or ()))
    registry.plugins.append(PluginStatus(name, source, hooks))
    return hooks


def _tables(registry: Registry) -> tuple[tuple[str, str, type, dict[str, Any]], ...]:
    return (
        ("register_methods", "method", MethodInfo, registry.methods),
        ("register_datasets", "data set", DatasetInfo, registry.datasets),
        ("register_metrics", "metric", MetricInfo, registry.metrics),
        ("register_priors", "prior", PriorInfo, registry.priors),
        ("register_protocols", "protocol", ProtocolSource, registry.protocols),
        ("register_executors", "executor", ExecutorInfo, registry.executors),
        ("register_checks", "check", CheckInfo, registry.checks),
    )


def _unpacked(offered: list[Any], hook: str, accepted: type) -> Iterator[Any]:
    """Yield what a plugin offered; a source of protocols stands for the protocols in its files."""
    for info in offered:
        if not isinstance(info, accepted):
            got = type(info).__name__
            raise PluginError(f"{hook} takes something else", got=got, expected=accepted.__name__)
        if isinstance(info, ProtocolSource):
            for path in sorted(info.path.glob("*.toml")) if info.path.is_dir() else [info.path]:
                yield from load_protocols(path)
        else:
            yield info


def _lookup(table: Mapping[str, Info], name: str, kind: str) -> Info:
    if name not in table:
        raise PluginError(f"unknown {kind}", got=name, hint=did_you_mean(name, table))
    return table[name]
