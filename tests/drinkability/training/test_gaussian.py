import numpy as np
import torch

from cellar_drinkability.training.gaussian import Alike, Inputs, Process, written_scales
from cellar_drinkability.training.scales import learn_scales


def lot(rows, fitted, side=0):
    stated = np.flatnonzero(np.isfinite(rows.ages[side]))
    inputs = Inputs.of(fitted.vocabulary.encode(rows.wines), rows.winery)
    return inputs.take(torch.from_numpy(stated)), np.log(rows.ages[side][stated]), rows.winery[stated]


def test_errors_with_a_winery_left_out_are_those_of_a_process_that_never_saw_it(rows, fitted):
    inputs, log_ages, winery = lot(rows, fitted)
    inputs, log_ages, winery = inputs.take(torch.arange(200)), log_ages[:200], winery[:200]
    scales = written_scales()[0]
    process = Process.fit(inputs, log_ages, winery, scales)
    precision_of_rest = []
    for group in np.unique(winery)[:8]:
        rest = winery != group
        # The same importances: the process without the winery, conditioned with the noise that the whole one found.
        noise = noise_of(process, log_ages, inputs, scales)
        prior = Alike(inputs, inputs).covariance(scales)
        some = torch.from_numpy(np.flatnonzero(rest))
        inner = prior[some][:, some] + torch.diag(noise[some])
        weights = torch.linalg.solve(inner, torch.from_numpy(log_ages - process.level)[some])
        answer = (prior[torch.from_numpy(np.flatnonzero(~rest))][:, some] @ weights).numpy() + process.level
        precision_of_rest.append(np.abs(log_ages[~rest] - answer - process.left_out[~rest]).max())
    assert max(precision_of_rest) < 1e-6


def noise_of(process, log_ages, inputs, scales):
    """The noise under which the process's weights are what they are: covariance @ weights + noise * weights = stated."""
    stated = torch.from_numpy(log_ages - process.level)
    return (stated - Alike(inputs, inputs).covariance(scales) @ process.weights) / process.weights


def test_a_winery_left_out_is_told_worse_than_one_learnt_from(rows, fitted):
    """The leak that left-out errors exist for: a winery's own statements make it look better known than a new one's."""
    inputs, log_ages, winery = lot(rows, fitted)
    planted = log_ages + np.random.default_rng(0).normal(0, 0.5, winery.max() + 1)[winery]  # every winery has a way of its own
    scales = written_scales()[0]
    scales.groups[-1] = np.log(0.5)
    process = Process.fit(inputs, planted, winery, scales)
    learnt = np.abs(planted - process.log_ages(inputs)).mean()
    assert np.abs(process.left_out).mean() > 2.5 * learnt


def test_a_wild_statement_moves_the_answer_less_than_under_normal_errors(rows, fitted):
    inputs, log_ages, winery = lot(rows, fitted)
    wild = log_ages.copy()
    wild[0] += 3.0
    moved = Process.fit(inputs, wild, winery, written_scales()[0]).log_ages(inputs) - Process.fit(
        inputs, log_ages, winery, written_scales()[0]
    ).log_ages(inputs)
    prior = Alike(inputs, inputs).covariance(written_scales()[0])
    normal = prior @ torch.linalg.inv(prior + torch.eye(len(wild)) * torch.exp(2 * written_scales()[0].noise))
    assert abs(moved[0]) < 0.3 * 3.0 * float(normal[0, 0])


def test_learnt_scales_find_what_matters_and_how_noisy_statements_are(rows, fitted):
    inputs, log_ages, _ = lot(rows, fitted)
    small = torch.arange(250)
    start = written_scales()[0]
    learnt = learn_scales(inputs.take(small), log_ages[:250], start, steps=30)
    true_noise = 0.1 / 2 * np.pi / np.sqrt(3)  # of the made world's logistic; years are rounded on top
    assert abs(float(learnt.noise.exp()) - true_noise) < abs(float(start.noise.exp()) - true_noise)
