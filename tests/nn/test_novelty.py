import numpy as np
import pytest
from scipy import stats

from sksubsel.nn.novelty import Novelty, upper_limit


def test_distances_are_to_the_nearest_in_units_of_the_usual():
    points = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0], [4.0, 6.0]])  # 2, 2, 2, 6 apart
    novelty = Novelty(points, held_out=np.full(500, 1.5))
    assert novelty.unit_ == 2
    assert novelty.limit_ == 1.5
    asked = [[0, 0], [1, 0], [4, 9], [0, 8]]
    np.testing.assert_allclose(novelty.relative(asked), [0, 0.5, 1.5, np.sqrt(20) / 2])
    np.testing.assert_allclose(novelty(asked), novelty.relative(asked) / 1.5)
    np.testing.assert_allclose(novelty.center_, [2.5, 1.5])


def test_without_held_out_points_each_is_left_out_in_turn():
    points, others = np.random.default_rng(0).uniform(size=(2, 20_000, 2))
    assert (Novelty(points)(others) > 1).mean() == pytest.approx(0.01, abs=0.003)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e6])
def test_copies_are_no_measure_of_distance(scale):
    alike = Novelty(np.full((20, 3), scale))
    assert alike.unit_ == 1
    assert (alike(np.full((2, 3), scale)) == 0).all()
    most_alike = np.repeat([[0.0], [0.0], [1.0]], 10, axis=0)
    assert 0 < Novelty(most_alike).unit_ < 0.01


def test_one_point():
    assert np.isfinite(Novelty(np.ones((1, 3)))(np.zeros((2, 3)))).all()


@pytest.mark.parametrize("n", [5, 20, 100])
def test_one_in_a_hundred_exceeds_the_limit_however_small_the_sample(n):
    rng = np.random.default_rng(n)
    log = rng.normal(size=(4000, n + 1))
    over = [log[i, -1] > np.log(upper_limit(np.exp(log[i, :-1]))) for i in range(len(log))]
    assert stats.binomtest(sum(over), len(log), 0.01).pvalue > 0.01
    assert sum(over) > 0


def test_limit_of_too_few():
    assert upper_limit([3.0]) == pytest.approx(6)
    assert upper_limit([0.0, 0.0]) == pytest.approx(1e-3)  # not zero, by which is divided
