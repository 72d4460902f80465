"""What Azure ML names as the parallel step's entry script: `init` and `run` of the installed distribution."""

from cellar_drinkability.scoring.azure_step import init, run

__all__ = ["init", "run"]
