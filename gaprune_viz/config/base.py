"""What all specs share: frozen, checked, hashed by content."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gaprune_viz.errors import GapruneError


class Spec(BaseModel):
    """A frozen, JSON-serialisable set of choices."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_enum_values=False)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Build from loose values (flags, URL, page).

        Raises:
            GapruneError: naming the first field that is wrong, and its bounds.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            reason = first["msg"].removeprefix("Value error, ")
            if not first["loc"]:
                raise GapruneError(f"{reason[0].upper()}{reason[1:]}.", help_text(cls, "")) from error
            owner, field = _innermost(cls, first["loc"])
            if first["type"] == "string_pattern_mismatch":
                reason = "this form is not known"
            given = str(first["input"])[:80]
            raise GapruneError(
                f"{field.replace('_', '-')}: {reason} (got {given!r}).", help_text(owner, field)
            ) from error

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated again."""
        return self.parse({**self.model_dump(), **changes})

    def key(self) -> str:
        """A short hash of `content`."""
        text = json.dumps(self.content(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def content(self) -> dict[str, Any]:
        """All the fields, as JSON has them.

        Fields that came later (`json_schema_extra={"later": True}`) are left out while they hold their default: what
        was kept under a key of before there were any is found under the same key.
        """
        dumped, content = self.model_dump(mode="json"), {}
        for name, info in type(self).model_fields.items():
            value, extra = getattr(self, name), info.json_schema_extra
            if isinstance(extra, dict) and extra.get("later") and value == info.default:
                continue
            content[name] = value.content() if isinstance(value, Spec) else dumped[name]
        return content


def digits(value: float) -> str:
    """A number as it is typed, with every digit it has: read again, it is the same.

    >>> digits(12345678), digits(0.5), digits(1e-12)
    ('12345678', '0.5', '1e-12')
    """
    return repr(float(value)).removesuffix(".0")


def help_text(spec: type[Spec], field: str) -> str:
    """The help of a field, or the list of fields where there is no such field."""
    if field in spec.model_fields:
        return spec.model_fields[field].description or ""
    return f"Known settings: {', '.join(name.replace('_', '-') for name in spec.model_fields)}."


def _innermost(spec: type[Spec], place: tuple[int | str, ...]) -> tuple[type[Spec], str]:
    """The spec and field that an error is about, specs inside specs followed."""
    field = str(place[0])
    inner = spec.model_fields[field].annotation if field in spec.model_fields else None
    if len(place) > 1 and isinstance(inner, type) and issubclass(inner, Spec):
        return _innermost(inner, place[1:])
    return spec, field


Values = TypeVar("Values", bound=tuple[Any, ...])


def given_once(values: Values) -> Values:
    """The values of a list, none of them twice. Raises ValueError, as the others here."""
    if len(set(values)) < len(values):
        raise ValueError("must not hold a value twice")
    return values


def sparsities_in_bounds(values: tuple[float, ...]) -> tuple[float, ...]:
    """Sparsities at which something is pruned, and something stays."""
    if not all(0 < value <= 0.95 for value in values):
        raise ValueError("must be above 0 and at most 0.95")
    return values


def seeds_in_bounds(values: tuple[int, ...]) -> tuple[int, ...]:
    """Seeds that every generator takes."""
    if not all(0 <= value < 2**31 for value in values):
        raise ValueError("must be between 0 and 2,147,483,647")
    return values
