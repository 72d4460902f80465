"""What late labels say: how many have come after how long, and how often what was said came true; text and JSON of the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl

from cellar_drinkability.labelling.arrival import ArrivalCurve, NightsLabels, arrival_curve
from cellar_drinkability.labelling.joining import FOUND, SOON_DAYS, PastNight, arrived_days, found_bottles, labels_of
from cellar_drinkability.scoring.layout import Folder
from cellar_drinkability.scoring.manifest import NightManifest, read_manifest
from cellar_shared.ageing.curve import PHASES
from cellar_shared.calibration.measure import bias, ece, noise_floor, reliability
from cellar_shared.errors import BadInput
from cellar_shared.events.tables import DataFolder

AFTER_DAYS: Final = (0, 7, 30, 91, 182, 365, 730, 1461, 2922)
BINS: Final = 10
FEWEST: Final = 50  # labels below which calibration is not printed: its floor would be above .1
BAR: Final = 30  # characters of a full bar


@dataclass(frozen=True, slots=True)
class LabelsReport:
    """The joined labels, the arrival curve over all nights and what the nights were; `until` is the day up to which labels count."""

    until: date
    nights: Sequence[PastNight]
    labels: pl.DataFrame
    arrival: ArrivalCurve

    def write(self, out: Path) -> None:
        """Write the joined labels as Parquet."""
        out.parent.mkdir(parents=True, exist_ok=True)
        self.labels.write_parquet(out)

    def facts(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "until": self.until,
            "nights": [{"as_of": night.as_of, "bottles": night.bottles} for night in self.nights],
            "labels": self.labels.height,
            "found": {kind: int((self.labels["found"] == kind).sum()) for kind in FOUND},
            "arrival": [{"days": days, "share": share, "low": low, "high": high} for days, share, low, high in self._arrivals()],
            "by_phase": self._by_phase().to_dicts(),
            "calibration": self._calibration(),
        }

    def text(self) -> str:
        """The report for a person."""
        nights = f"{len(self.nights)} nights, {self.nights[0].as_of} to {self.nights[-1].as_of}"
        bottles = sum(night.bottles for night in self.nights) / len(self.nights)
        lines = [f"{nights}, {bottles:,.0f} bottles a night on average; {self.labels.height:,} labels recorded up to {self.until}", ""]
        lines.append("how long labels take: share of a night's bottles with a label")
        highest = max((share for _, share, _, _ in self._arrivals()), default=0.0) or 1.0
        for days, share, low, high in self._arrivals():
            bar = "█" * round(BAR * share / highest)
            lines.append(f"  {days:>5} days {share:>7.2%} [{low:.2%}, {high:.2%}] {bar}")
        lines += ["", "what was found, by the phase that had been said for the day of opening"]
        for row in self._by_phase().iter_rows(named=True):
            found = ", ".join(f"{kind.replace('_', ' ')} {row[kind]:.0%}" for kind in FOUND)
            lines.append(f"  {row['phase'] or 'none':<6} {row['labels']:>9,} bottles: {found}")
        calibration = self._calibration()
        if calibration is None:
            lines += [
                "",
                f"fewer than {FEWEST} bottles opened within {SOON_DAYS} days of a night: whether drinkability agrees is not told yet",
            ]
            return "\n".join(lines)
        measured = f"bias {calibration['bias']:+.3f}, ECE {calibration['ece']:.3f}, noise floor {calibration['noise_floor']:.3f}"
        lines += ["", f"drinkability against found in window, {calibration['labels']:,} bottles opened within {SOON_DAYS} days: {measured}"]
        for each in calibration["bins"]:
            happened = f"{each['in_window']:.0%} [{each['low']:.0%}, {each['high']:.0%}]"
            lines.append(f"  said {each['said']:.0%}: {happened} of {each['labels']:,} in window")
        lines.append("  Members open what they think is ready: these are the bottles that were opened, not all bottles.")
        return "\n".join(lines)

    def _arrivals(self) -> Iterator[tuple[int, float, float, float]]:
        for days in (*(days for days in AFTER_DAYS if days < self.arrival.days[-1]), int(self.arrival.days[-1])):
            yield days, float(self.arrival.share[days]), float(self.arrival.low[days]), float(self.arrival.high[days])

    def _by_phase(self) -> pl.DataFrame:
        shares = [(pl.col("found") == kind).mean().alias(kind) for kind in FOUND]
        order = pl.col("phase").replace_strict({phase: place for place, phase in enumerate(PHASES)}, default=len(PHASES))
        return self.labels.group_by("phase").agg(pl.len().alias("labels"), *shares).sort(order)

    def _calibration(self) -> dict[str, Any] | None:
        said = self.labels.filter(pl.col("drinkability").is_not_null())
        if said.height < FEWEST:
            return None
        happened, probabilities = (said["found"] == "in_window").to_numpy().astype(float), said["drinkability"].to_numpy()
        bins = [
            {"said": each.probability, "in_window": each.liked, "labels": each.count, "low": each.low, "high": each.high}
            for each in reliability(happened, probabilities, BINS)
        ]
        floor = noise_floor(lambda labels, chances: ece(labels, chances, BINS), probabilities)
        return {
            "bias": bias(happened, probabilities),
            "ece": ece(happened, probabilities, BINS),
            "noise_floor": floor,
            "labels": said.height,
            "bins": bins,
        }


def labels_report(data: Path, night: Path, until: date | None, *, say: Callable[[str], None]) -> LabelsReport:
    """Join the outcomes of `data` to the nights kept in `night`; BadInput without a night, or where `until` lies before all of them."""
    folder = Folder(night)
    manifests = [read_manifest(file) for file in sorted((night / "nights").glob("*.json"))]
    if not manifests:
        raise BadInput(f"{night} holds no night that was closed; run `cellar score drinkability --out {night}` first")
    nights = [_past_night(folder, each) for each in manifests]
    tables = DataFolder.open(data)
    found = found_bottles(tables.scan("outcomes"), tables.scan("bottles"))
    last = until or max([*found["recorded_on"].to_list(), manifests[-1].as_of])
    heard = [each for each in nights if each.as_of <= last]
    if not heard:
        raise BadInput(f"the first night is of {nights[0].as_of} and labels are counted up to {last}; there is nothing to join yet")
    found = found.filter(pl.col("recorded_on") <= last)
    say(f"{found.height:,} opened bottles of which something was found")
    counted = [NightsLabels(each.bottles, (last - each.as_of).days, arrived_days(found, each).to_numpy()) for each in heard]
    gone = sorted((night / "gone").glob("[!.]*.parquet"))
    return LabelsReport(last, heard, labels_of(found, heard, gone), arrival_curve(counted))


def _past_night(folder: Folder, manifest: NightManifest) -> PastNight:
    parts = [folder.file("bottles", part.bottles) for part in manifest.parts]
    return PastNight(manifest.as_of, manifest.rows, parts if all(part.is_file() for part in parts) else [])
