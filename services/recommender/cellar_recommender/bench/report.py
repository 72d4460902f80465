"""What the bench found, as a document, as text and as a picture."""

from __future__ import annotations

from typing import Final

import msgspec

from cellar_recommender.bench.index import IndexFigures
from cellar_recommender.bench.memory import WorkerFigures
from cellar_recommender.bench.request import StageFigures
from cellar_recommender.serving.ann.index import LEAST_RECALL, RECALL_AT

# What is aimed at for a million wines.
AIM_BUILD_S: Final = 60.0
AIM_RATIO: Final = 0.13  # of faiss Flat's time
AIM_MIB: Final = 1.2 * 1_024  # a million wines, shared by all workers
MILLION: Final = 1_000_000


class Report(msgspec.Struct, frozen=True):
    """Seconds of building (by the clock, and of processor) and opening, the index's and one request's figures, memory by number of workers.

    `mapped_mib` are all files that every worker maps: what the pages that they share can come to.
    """

    bundle: str
    generation: str
    members: int
    threads: int
    build_s: float
    build_cpu_s: float
    open_s: float
    index: IndexFigures
    stages: list[StageFigures]
    mapped_mib: float
    memory: dict[int, list[WorkerFigures]]

    @property
    def mapped_mib_a_million(self) -> float:
        """The same for a million wines."""
        return self.mapped_mib / self.index.wines * MILLION

    def text(self) -> str:
        """The report for a person."""
        index = self.index
        lines = [
            f"{index.wines:,} wines, {index.dimensions} dimensions, {self.members:,} members; bundle {self.bundle}",
            f"index built in {self.build_s:.1f} s on {self.threads} threads (aim {AIM_BUILD_S:.0f}), "
            f"{self.build_cpu_s:.1f} s of processor; opened in {self.open_s:.1f} s",
            f"recall@{RECALL_AT} {index.recall:.4f} over {index.queries} members (aim {LEAST_RECALL})",
            f"search {index.search_ms:.2f} ms, faiss Flat {index.flat_ms:.2f} ms, medians of {index.rounds} rounds in turn: "
            f"{index.ratio:.3f} of it (aim {AIM_RATIO})",
        ]
        lines += [
            f"  where a filter leaves {under.share:.0%}: {under.search_ms:.2f} ms, recall {under.recall:.4f}" for under in index.filtered
        ]
        lines.append("one request, milliseconds: median, 95th percentile")
        lines += [f"  {stage.name:10} {stage.median_ms:8.2f} {stage.p95_ms:8.2f}" for stage in self.stages]
        lines.append(
            f"files that workers share: {self.mapped_mib:.0f} MiB, {self.mapped_mib_a_million:.0f} MiB a million wines (aim {AIM_MIB:.0f})"
        )
        for count, workers in self.memory.items():
            for number, worker in enumerate(workers, 1):
                opened, served, touched = worker.opened_mib[0], worker.served_mib[0], worker.touched_mib[0]
                lines.append(
                    f"worker {number} of {count}: PSS {opened:.0f} MiB opened, {served:.0f} after requests, {touched:.0f} with every page "
                    f"read; beside {worker.code_mib[0]:.0f} of code"
                )
        return "\n".join(lines)
