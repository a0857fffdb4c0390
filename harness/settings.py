"""Turning TOML tables and `--set key=value` into frozen dataclasses, refusing what they do not declare."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from recgen_bench.harness.errors import ProtocolError, RecgenError, did_you_mean

T = TypeVar("T")


def from_table(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """Build a dataclass from a TOML table: nested tables become nested dataclasses, arrays become tuples.

    Raises:
        ProtocolError: A key is unknown or missing, or a value has the wrong type.
    """
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}  # type: ignore[arg-type] # T is a dataclass by contract.
    for key in table:
        if key not in fields:
            raise ProtocolError("unknown key", got=key, hint=did_you_mean(key, fields), where=where)
    values = {key: _typed(hints[key], value, f"{where}: {key}") for key, value in table.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise ProtocolError("a key is missing", expected=name, where=where)
    return kind(**values)


def override(config: T, assignments: Iterable[str]) -> T:
    """Return a configuration with `key=value` texts applied; values take the field's type.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Config:
    ...     iterations: int = 30_000
    >>> override(Config(), ["iterations=500"])
    Config(iterations=500)

    Raises:
        RecgenError: A key is unknown, given twice, or its value has the wrong type.
    """
    hints = typing.get_type_hints(type(config))
    changes: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        where = f"--set {assignment}"
        if not equals:
            raise RecgenError("not an assignment", got=assignment, expected="key=value", where=where)
        if key not in hints:
            raise RecgenError("unknown setting", got=key, hint=did_you_mean(key, hints), where=where)
        if key in changes:
            raise RecgenError("the setting is given twice", got=key, where=where)
        changes[key] = _parsed(hints[key], text, where)
    return dataclasses.replace(config, **changes)  # type: ignore[type-var] # T is a dataclass by contract.


def _typed(hint: Any, value: Any, where: str) -> Any:
    """Convert one TOML value to an annotated type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return (
            None if value is None else _typed(next(a for a in arguments if a is not type(None)), value, where)
        )
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return from_table(hint, value, where)
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_typed(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, Mapping):
        return {key: _typed(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if origin is typing.Literal:
        if value not in arguments:
            hint_text = did_you_mean(str(value), map(str, arguments))
            raise ProtocolError("not one of the choices", got=value, hint=hint_text, where=where)
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if (
        isinstance(hint, type)
        and isinstance(value, hint)
        and (hint is not int or not isinstance(value, bool))
    ):
        return value
    name = getattr(hint, "__name__", str(hint))
    raise ProtocolError("the value has the wrong type", got=repr(value), expected=name, where=where)


def _parsed(hint: Any, text: str, where: str) -> Any:
    """Read a text as an annotated scalar type."""
    if typing.get_origin(hint) is typing.Literal:
        choices = {str(choice): choice for choice in typing.get_args(hint)}
        if text not in choices:
            raise RecgenError(
                "not one of the choices", got=text, hint=did_you_mean(text, choices), where=where
            )
        return choices[text]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        if text == "none":
            return None
        return _parsed(next(a for a in typing.get_args(hint) if a is not type(None)), text, where)
    truth = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    try:
        if hint is bool:
            return truth[text.lower()]
        if hint is int:
            return int(text.replace("_", ""))
        if hint is float:
            return float(text)
        if hint is str:
            return text
    except (ValueError, KeyError):
        expected = "true or false" if hint is bool else hint.__name__
        raise RecgenError("the value has the wrong type", got=text, expected=expected, where=where) from None
    raise RecgenError("this setting cannot be given on the command line", got=str(hint), where=where)
