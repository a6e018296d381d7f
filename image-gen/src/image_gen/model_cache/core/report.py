"""Results of commands as JSON: one rule for all of them."""

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True)
class Report:
    """The JSON of a result has the properties `json_extra` and its fields, but those with the metadata `json=False`;
    those with `json="set"` only where they have a value.

    `model_id` is called `id` there, and the field that `json_bytes` names is called `bytes`.
    """

    json_bytes: ClassVar[str] = ""
    json_extra: ClassVar[tuple[str, ...]] = ()

    def as_json(self) -> dict[str, object]:
        names = {"model_id": "id", self.json_bytes: "bytes"}
        wanted = {field.name: field.metadata.get("json", True) for field in fields(self)}
        attributes = [name for name, how in wanted.items() if (getattr(self, name) if how == "set" else how)]
        return {names.get(name, name): _plain(getattr(self, name)) for name in (*self.json_extra, *attributes)}


def _plain(value: Any) -> object:
    if isinstance(value, Report):
        return value.as_json()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
