"""How much faster wine ages when it lies warmer: an Arrhenius rate relative to a cellar of 13 degrees; storage integrates it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

REFERENCE_C: Final = 13.0
GAS_CONSTANT_KJ: Final = 8.314462618e-3  # kJ/(mol K), CODATA 2018
KELVIN: Final = 273.15

# Activation energy of ageing, log-normal: median 78 kJ/mol, 90 % within 55 to 110. Judgement, from: Geisenheim trials, 2 to 3 times per
# 10 degrees, 50 to 78 kJ/mol; ethyl carbamate in stored wine, 88 to 117 (Kodama et al. 1994, AJEV 45(1)); Sangiovese in cellar and
# house, about 132 as an upper bound (Arapitsas et al. 2014, Metabolomics).
ENERGY_KJ: Final = 78.0
ENERGY_LOG_SD: Final = 0.21

# Above about 21 degrees unwanted reactions gain on the wanted ones (judgement): there the end of the window is charged with a higher
# activation energy, halfway between the median and the upper bound above.
HEAT_C: Final = 21.0
HEAT_ENERGY_KJ: Final = 105.0


def ageing_rate(temperature_c: npt.ArrayLike, energy_kj: npt.ArrayLike = ENERGY_KJ) -> Floats:
    """Effective years per calendar year at `temperature_c` (degrees Celsius), 1 at 13; `energy_kj` in kJ/mol. Shapes broadcast.

    rate(T) = exp(-E/R (1/T - 1/286.15 K)). Checks at 70 kJ/mol: 10 C .73, 18 C 1.66, 25 C 3.27.
    """
    return np.asarray(np.exp(np.asarray(energy_kj, np.float64) * _per_energy(temperature_c)))


def rate_by_energy(temperature_c: npt.ArrayLike, energy_kj: npt.ArrayLike = ENERGY_KJ) -> Floats:
    """The derivative of `ageing_rate` by the log of the activation energy: effective years per calendar year; below 0 below 13 degrees."""
    log_rate = np.asarray(energy_kj, np.float64) * _per_energy(temperature_c)
    return np.asarray(log_rate * np.exp(log_rate))


def heat_rate(temperature_c: npt.ArrayLike, energy_kj: npt.ArrayLike = ENERGY_KJ) -> Floats:
    """The rate at which the end of a window comes nearer: as `ageing_rate`, and faster above 21 degrees, without a jump there."""
    warm = np.asarray(temperature_c, np.float64)
    steeper = np.maximum(HEAT_ENERGY_KJ - np.asarray(energy_kj, np.float64), 0)
    above = np.maximum(_per_energy(warm) - _per_energy(HEAT_C), 0)
    return np.asarray(ageing_rate(warm, energy_kj) * np.exp(steeper * above))


def _per_energy(temperature_c: npt.ArrayLike) -> Floats:
    """What an energy (kJ/mol) is multiplied by to give the log of the rate."""
    kelvin = np.asarray(temperature_c, np.float64) + KELVIN
    return np.asarray((1 / (REFERENCE_C + KELVIN) - 1 / kelvin) / GAS_CONSTANT_KJ)
