"""What a measurement gives back."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value, the limit it has to keep (an upper one, or with ``at_least`` a lower one), and its unit."""

    name: str
    value: float
    unit: str
    limit: float
    at_least: bool = False

    @property
    def is_kept(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def as_row(self) -> str:
        sign = "≥" if self.at_least else "≤"
        mark = "ok" if self.is_kept else "MISSED"
        return f"{self.name:<58} {self.value:>10.3f} {self.unit:<10} {sign} {self.limit:<8g} {mark}"


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
