"""Configurations as JSON objects, and back."""

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Config", "from_json", "to_json"]

Config = TypeVar("Config", bound="DataclassInstance")
"""One of the configurations."""


def to_json(config: "DataclassInstance") -> dict[str, Any]:
    """The fields of a configuration as a JSON object."""
    return dataclasses.asdict(config)


def from_json(kind: type[Config], fields: object, where: str) -> Config:
    """Rebuild a configuration from `to_json`'s object; unknown fields are an error that names `where` it stands."""
    if not isinstance(fields, dict):
        raise ConfigError(f"{where}: the {kind.__name__} is not a JSON object")
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    if unknown := sorted(set(fields) - set(defaults)):
        raise ConfigError(f"{where}: unknown field {unknown[0]!r} (made by a newer version?)")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    for name, value in values.items():
        if type(defaults[name]) is int and type(value) is not int:
            raise ConfigError(f"{where}: {name} is {value!r}; an integer is needed")
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{where}: a field has the wrong type ({error})") from error
