import numpy as np
import pytest
import torch

from cellar_drinkability.scoring.features import FIELDS, UNKNOWN, WineFacts
from cellar_drinkability.training.fit import Fitted, answers_of, fit, logistic_loss, without_some
from cellar_drinkability.training.network import Averaged, WindowNetwork
from cellar_drinkability.training.train import train
from cellar_shared.ageing.curve import REACH
from cellar_shared.events.tables import DataFolder, DataWriter, dtypes_of, schema_of


def test_the_loss_is_the_log_density_of_a_logistic_which_integrates_to_one():
    at = torch.linspace(-60, 60, 400_001, dtype=torch.float64)
    for scale in (0.05, 0.3, 2.0):
        density = torch.exp(-logistic_loss(at, torch.tensor(scale)))
        assert float(torch.trapezoid(density, at)) == pytest.approx(1, abs=1e-6)
        inside = at.abs() <= REACH * scale
        assert float(torch.trapezoid(density[inside], at[inside])) == pytest.approx(0.8, abs=2e-3)


def test_a_side_that_was_not_stated_changes_nothing_of_that_side(rows, fitted):
    """Censored, not filled: the end's process is the same whatever stands in rows without an end."""
    stated = np.isfinite(rows.end)
    assert len(fitted.processes[1].weights) == stated.sum() < len(rows)
    assert len(fitted.processes[0].weights) == np.isfinite(rows.begin).sum() < len(rows)


def test_the_law_of_the_made_world_is_found(rows, fitted):
    m1, s1, m2, s2 = fitted.answers(fitted.vocabulary.encode(rows.wines))
    points = rows.wines["points"].to_numpy()
    first = {"Nebbiolo": 2.2, "Sangiovese": 1.9, "Chardonnay": 1.3, "Cabernet Sauvignon": 2.0, "Riesling": 1.5}
    law = np.array([first[grapes[0]] for grapes in rows.wines["grapes"].to_list()]) + 0.03 * (points - 92)
    assert np.abs(m1 - law).mean() < 0.08
    assert np.abs(m2 - law - 0.9).mean() < 0.08
    assert s1.mean() < 0.2 and s2.mean() < 0.2


def test_intervals_of_80_percent_hold_about_80_percent_of_wineries_left_out(rows, recipe):
    test = rows.winery % 3 == 0
    learnt = fit(rows.take(~test), recipe)
    m1, s1, m2, s2 = learnt.answers(learnt.vocabulary.encode(rows.take(test).wines))
    for ages, middle, scale in zip(rows.take(test).ages, (m1, m2), (s1, s2), strict=True):
        stated = np.isfinite(ages)
        share = (np.abs(np.log(ages[stated]) - middle[stated]) <= REACH * scale[stated]).mean()
        assert 0.68 < share < 0.92  # some 150 statements: three standard errors


def test_the_end_is_after_the_begin_for_any_facts_whatever():
    rng = np.random.default_rng(1)
    sizes = (5, 4, 3, 6, 7, 9)
    for trial in range(20):
        torch.manual_seed(trial)
        network = WindowNetwork(sizes)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=3.0)
        codes = np.column_stack([rng.integers(0, size, 300) for size in sizes])
        numbers = rng.normal(0, 1e6, (300, 3)) * rng.choice([1, np.nan], (300, 3))
        m1, s1, m2, s2 = answers_of(Averaged([network]), WineFacts(codes, numbers))
        assert np.isfinite([m1, s1, m2, s2]).all()
        assert (m2 > m1).all() and (s1 > 0).all() and (s2 > 0).all()


def test_knowing_less_never_makes_the_model_surer_on_average(rows, fitted):
    facts = fitted.vocabulary.encode(rows.wines)
    nothing = WineFacts(np.zeros_like(facts.codes), np.full_like(facts.numbers, np.nan))
    assert fitted.answers(nothing)[1].mean() > 1.5 * fitted.answers(facts)[1].mean()
    assert fitted.answers(nothing)[3].mean() > 1.5 * fitted.answers(facts)[3].mean()


def test_facts_left_out_become_unknown_and_the_others_stay(rows, fitted):
    facts = fitted.vocabulary.encode(rows.wines)
    less = without_some(facts, np.random.default_rng(2))
    assert ((less.codes == facts.codes) | (less.codes == UNKNOWN)).all()
    assert ((less.numbers == facts.numbers) | np.isnan(less.numbers)).all()
    assert 0.2 < (less.codes[:, FIELDS.index("region")] == UNKNOWN).mean() < 0.4
    assert ((less.codes == facts.codes).all(axis=1) & (less.numbers == facts.numbers).all(axis=1)).mean() > 0.5


def test_the_same_rows_and_recipe_give_the_same_model(rows, recipe, fitted: Fitted):
    again = fit(rows, recipe)
    facts = fitted.vocabulary.encode(rows.wines)
    np.testing.assert_array_equal(again.answers(facts), fitted.answers(facts))


def test_a_model_learns_from_no_more_statements_than_it_can_hold(rows):
    few = rows.at_most(100, seed=1)
    assert len(few) == 100
    assert np.isin(few.digest, rows.digest).all()
    assert len(np.unique(few.digest)) == 100
    assert few.digest.tolist() == rows.at_most(100, seed=1).digest.tolist() != rows.at_most(100, seed=2).digest.tolist()
    assert rows.at_most(len(rows), seed=1) is rows


def test_a_model_learns_from_windows_without_the_columns_that_a_source_need_not_have(statements, recipe, tmp_path):
    folder = DataFolder.open(statements)
    optional = set(dtypes_of("windows")) - set(schema_of("windows")["required"])
    with DataWriter(tmp_path / "data", "own", "1-5", "test") as writer:
        writer.add("windows", folder.scan("windows").drop(optional).collect())
    facts = train(tmp_path / "data", tmp_path / "b", hold_out=0.0, recipe=recipe, threads=1, step=lambda _: None).facts
    assert facts["rows"] == folder.manifest.tables["windows"].rows


def test_a_bundle_says_how_many_statements_it_left_out(monkeypatch, statements, recipe, rows, tmp_path):
    monkeypatch.setattr("cellar_drinkability.training.train.MOST", 200)
    facts = train(statements, tmp_path / "b", hold_out=0.0, recipe=recipe, threads=1, step=lambda _: None).facts
    assert (facts["rows"], facts["rows_beyond_the_most_learnt_from"]) == (200, len(rows) - 200)
