"""The floor of step `score`: how long Polars takes to write a night's finished rows once more, in a process of its own, on two threads.

`python -m cellar_drinkability.scoring.bench_floor FILE...` prints the seconds from memory and from the files; the bench calls it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

THREADS: Final = 2
ROWS_AT_ONCE: Final = 4_000_000  # held in memory at a time; four row groups
ROW_GROUP: Final = 1_000_000


def measured(files: Sequence[Path]) -> tuple[float, float]:
    """Seconds to write the rows of `files` once more: from memory (reading them is not counted), and read and written in one stream."""
    words = [sys.executable, "-m", __name__, *map(str, files)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ | {"POLARS_MAX_THREADS": str(THREADS)})
    seconds = json.loads(done.stdout)
    return seconds["from_memory"], seconds["from_files"]


def _written(files: list[str]) -> dict[str, float]:
    import polars as pl  # noqa: PLC0415

    settings: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "row_group_size": ROW_GROUP}

    def held() -> Iterator[pl.DataFrame]:
        frames: list[pl.DataFrame] = []
        for file in files:
            frames.append(pl.read_parquet(file))
            if sum(frame.height for frame in frames) >= ROWS_AT_ONCE:
                yield pl.concat(frames)
                frames = []
        if frames:
            yield pl.concat(frames)

    with tempfile.TemporaryDirectory(dir=Path(files[0]).parent) as folder:
        from_memory = 0.0
        for number, rows in enumerate(held()):
            began = time.perf_counter()
            rows.lazy().sink_parquet(Path(folder) / f"{number}.parquet", **settings)
            from_memory += time.perf_counter() - began
            (Path(folder) / f"{number}.parquet").unlink()
        began = time.perf_counter()
        pl.scan_parquet(files).sink_parquet(Path(folder) / "all.parquet", **settings)
        return {"from_memory": from_memory, "from_files": time.perf_counter() - began}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_written(sys.argv[1:])))
