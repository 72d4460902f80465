"""What a window model must beat: medians by variety, shrunken ones by variety and region, a Weibull AFT, LightGBM AFT.

Each learns from the training rows of a split only and answers its test rows with the begin and the end in years.
"""

from __future__ import annotations

from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import torch

from cellar_drinkability.scoring.features import FIELDS, Vocabulary, WineFacts
from cellar_drinkability.training.rows import Rows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BELIEF: Final = 6.0  # statements' worth of belief in the wider group
INNER_FOLDS: Final = 5
ROUNDS: Final = 350
SCALE: Final = 0.12  # of the logistic on log years in the boosted AFT: about what is left unexplained
LIGHTGBM: Final = {
    "learning_rate": 0.04, "num_leaves": 8, "min_data_in_leaf": 15, "feature_fraction": 0.5, "bagging_fraction": 0.8, "bagging_freq": 1,
    "lambda_l2": 3.0, "verbose": -1, "deterministic": True, "force_row_wise": True, "seed": 20,
}  # fmt: skip
STYLE, GRAPE, TYPE, COUNTRY, PROVINCE, REGION = range(len(FIELDS))


def variety_medians(train: Rows, test: Rows) -> Floats:
    """The median of the wine's style, or everyone's; (2, rows) years."""
    vocabulary = Vocabulary.of(train.wines)
    style, asked = (vocabulary.encode(rows.wines).codes[:, STYLE] for rows in (train, test))
    answers = np.empty((2, len(test)))
    for side, ages in enumerate(train.ages):
        stated = np.isfinite(ages)
        answers[side] = np.median(ages[stated])
        for code in np.unique(asked):
            mine = ages[stated & (style == code)]
            if code and len(mine) >= 3:
                answers[side, asked == code] = np.median(mine)
    return answers


def shrunken_medians(train: Rows, test: Rows) -> Floats:
    """Style, then style and region, each drawn to the wider one where it has few statements; (2, rows) years."""
    vocabulary = Vocabulary.of(train.wines)
    known, asked = (vocabulary.encode(rows.wines) for rows in (train, test))
    return np.exp([_encoded(known, np.log(ages), np.isfinite(ages), asked, ((STYLE,), (STYLE, REGION)))[:, -1] for ages in train.ages])


def weibull_aft(train: Rows, test: Rows) -> Floats:
    """Log age linear in style, country, points, price and vintage with a Weibull's error (ridge 1); its medians, (2, rows) years."""
    vocabulary = Vocabulary.of(train.wines)
    known, asked = (torch.from_numpy(_linear(vocabulary, vocabulary.encode(rows.wines))) for rows in (train, test))
    answers = []
    for ages in train.ages:
        stated = np.isfinite(ages)
        target, matrix = torch.from_numpy(np.log(ages[stated])), known[torch.from_numpy(stated)]
        weights = torch.zeros(matrix.shape[1], dtype=torch.float64, requires_grad=True)
        free = torch.tensor([float(target.mean()), -1.0], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([weights, free], max_iter=200, line_search_fn="strong_wolfe")

        def unlikely(target: torch.Tensor = target, matrix: torch.Tensor = matrix, weights: Any = weights, free: Any = free,
                     optimizer: Any = optimizer) -> torch.Tensor:  # fmt: skip
            optimizer.zero_grad()
            off = (target - free[0] - matrix @ weights) / torch.exp(free[1])
            loss: torch.Tensor = (torch.exp(off) - off + free[1]).sum() + weights.square().sum() / 2
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(unlikely)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            middle = free[0] + asked @ weights + torch.exp(free[1]) * np.log(np.log(2))
        answers.append(np.exp(middle.numpy()))
    return np.stack(answers)


def boosted_aft(train: Rows, test: Rows, threads: int) -> Floats:
    """LightGBM under a logistic likelihood of log ages, on encodings of names made out of fold by winery; (2, rows) years."""
    vocabulary = Vocabulary.of(train.wines)
    known, asked = (vocabulary.encode(rows.wines) for rows in (train, test))
    tables = [np.column_stack([*(encodings(train, known, other, side) for side in (0, 1)), (other or known).numbers])
              for other in (None, asked)]  # fmt: skip
    answers = []
    for ages in train.ages:
        stated = np.isfinite(ages)
        target = np.log(ages[stated])

        def gradient(given: Floats, _: Any, target: Floats = target) -> tuple[Floats, Floats]:
            lean = np.tanh((given - target) / (2 * SCALE))
            return lean / SCALE, np.full_like(lean, 1 / (3 * SCALE**2))

        level = float(np.median(target))
        data = lightgbm.Dataset(tables[0][stated], target, init_score=np.full(len(target), level))
        model = lightgbm.train({**LIGHTGBM, "objective": gradient, "num_threads": threads}, data, ROUNDS)
        answers.append(np.exp(level + np.asarray(model.predict(tables[1]))))
    return np.stack(answers)


def encodings(train: Rows, known: WineFacts, asked: WineFacts | None, side: int) -> Floats:
    """Shrunken means of log age by wider and narrower groups. For training rows (`asked` None) each is made without its winery's fold."""
    ages = train.ages[side]
    stated = np.isfinite(ages)
    log_ages = np.log(ages)
    levels: tuple[tuple[tuple[int, ...], ...], ...] = (
        ((STYLE,), (STYLE, COUNTRY), (STYLE, PROVINCE), (STYLE, REGION)),
        ((COUNTRY,), (PROVINCE,), (REGION,)),
    )
    if asked is not None:
        return np.column_stack([_encoded(known, log_ages, stated, asked, chain) for chain in levels])
    folds = np.random.default_rng(3).permutation(int(train.winery.max()) + 1)[train.winery] % INNER_FOLDS
    found = np.empty((len(train), sum(map(len, levels))))
    for fold in range(INNER_FOLDS):
        mine = folds == fold
        found[mine] = np.column_stack([_encoded(known, log_ages, stated & ~mine, known.take(mine), chain) for chain in levels])
    return found


def _encoded(
    known: WineFacts, log_ages: Floats, use: npt.NDArray[np.bool_], asked: WineFacts, chain: tuple[tuple[int, ...], ...]
) -> Floats:
    """Group means of the asked wines, one column a level, each level drawn to the level before it."""
    level = float(log_ages[use].mean())
    mine, theirs = np.full(int(use.sum()), level), np.full(len(asked), level)
    columns = []
    for fields in chain:
        key, other = _joined(known.codes[use], fields), _joined(asked.codes, fields)
        groups, place = np.unique(key, return_inverse=True)
        count = np.bincount(place, minlength=len(groups))
        effect = np.bincount(place, log_ages[use] - mine, minlength=len(groups)) / (count + BELIEF)
        effect[groups < 0] = 0.0
        mine = mine + effect[place]
        at = np.clip(np.searchsorted(groups, other), 0, len(groups) - 1)
        theirs = theirs + np.where(groups[at] == other, effect[at], 0.0)
        columns.append(theirs)
    return np.column_stack(columns)


def _joined(codes: Ints, fields: tuple[int, ...]) -> Ints:
    together = np.zeros(len(codes), np.int64)
    for field in fields:
        together = together * 100_000 + codes[:, field]
    return np.where((codes[:, list(fields)] > 0).all(axis=1), together, -1)


def _linear(vocabulary: Vocabulary, facts: WineFacts) -> Floats:
    sizes = vocabulary.sizes()
    numbers = (facts.numbers - (92.0, 4.0, 2012.0)) / (2.5, 0.75, 2.5)
    named = [np.eye(sizes[field])[facts.codes[:, field]][:, 1:] for field in (STYLE, COUNTRY)]
    return np.column_stack([*named, np.nan_to_num(numbers, nan=0.0), np.isnan(numbers)])
