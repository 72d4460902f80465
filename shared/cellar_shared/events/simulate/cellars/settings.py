"""The arguments of a world's cellars; the command builds them, everything else in this folder reads them."""

from __future__ import annotations

from dataclasses import dataclass, field

from cellar_shared.errors import BadInput
from cellar_shared.events.simulate.cellars.families import AgeingFamily, ageing_named


@dataclass(frozen=True, slots=True)
class CellarSettings:
    """How many bottles and critics' statements a world has, and how its wines age; BadInput where one is out of range."""

    bottles: int = 0
    windows: int = 0
    ageing_name: str = "classic"
    ageing: AgeingFamily = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ageing", ageing_named(self.ageing_name))
        for name, value, highest in (("bottles", self.bottles, 100_000_000), ("windows", self.windows, 10_000_000)):
            if not 0 <= value <= highest:
                raise BadInput(f"--{name} {value:,} is out of range; give 0 to {highest:,}")

    @property
    def is_empty(self) -> bool:
        """Has the world no cellars at all?"""
        return not (self.bottles or self.windows)

    def asked(self) -> dict[str, int | str]:
        """The arguments as the data folder notes them."""
        return {"bottles": self.bottles, "windows": self.windows, "ageing": self.ageing.name}
