"""How well chosen detectors do on other rows, with intervals and differences.

Oracle: scikit-learn's f1_score, precision, recall and average_precision_score; resamples made of repeated rows.
"""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from monosemy.core import numpy_generator
from monosemy.evaluation import (
    LABEL_METRICS,
    Detectors,
    LabelData,
    LabelScores,
    Subject,
    ap_lift,
    best_labels,
    detector_scores,
    f1_counts,
    label_arrays,
    label_differences,
    label_results,
    label_rows,
    labelled_rows,
    score,
    select_latents,
    select_thresholds,
)
from monosemy.evaluation.label_scores import _label_means, _table
from tests.unit.evaluation.labelled import codes_of, labels, noisy_codes

SUBJECT = Subject(method="topk", lm="trained", split="test", config="c")


def scored(seed: int = 1, *, rare: bool = False, n_latents: int = 7) -> tuple[np.ndarray, LabelData, LabelScores]:
    """Signed codes chosen on one set of rows and scored on another: (test codes, test labels, scores)."""
    validation, test = labels(0, rare=rare), labels(1, "test", rare=rare)
    z_validation, z = (noisy_codes(data, n_latents, signed=True, sparse=True, seed=seed) for data in (validation, test))
    detectors = select_latents(codes_of(z_validation), validation)
    return z, test, score(detector_scores(codes_of(z), detectors), test, detectors)


def says_yes(z: np.ndarray, detectors: Detectors, y: int) -> np.ndarray:
    assert detectors.latent is not None
    return detectors.sign[y] * z[:, detectors.latent[y]] > detectors.threshold[y]


def level_of(z: np.ndarray, detectors: Detectors, y: int) -> np.ndarray:
    """By hand: how many candidate thresholds the score lies above."""
    assert detectors.latent is not None
    return (detectors.sign[y] * z[:, detectors.latent[y]][:, None] > detectors.thresholds[y]).sum(axis=1)


def test_counts_are_scikit_learns() -> None:
    z, data, scores = scored()
    for y, row in enumerate(label_rows(scores)):
        rows = data.scored[:, y]
        truth, yes = data.values[rows, y], says_yes(z, scores.detectors, y)[rows]
        assert row["f1"] == pytest.approx(f1_score(truth, yes))
        assert row["precision"] == pytest.approx(precision_score(truth, yes))
        assert row["recall"] == pytest.approx(recall_score(truth, yes))
        assert row["base_rate"] == pytest.approx(truth.mean())
        average = average_precision_score(truth, level_of(z, scores.detectors, y)[rows])
        assert row["ap_lift"] == pytest.approx((average - truth.mean()) / (1 - truth.mean()))
        assert 0 < row["ap_lift"] < 1


def test_counts_are_kept_a_unit() -> None:
    z, data, scores = scored()
    counts = f1_counts(scores)
    for unit in range(len(data.units)):
        for y in range(5):
            rows = data.scored[:, y] & (data.unit == unit)
            truth, yes = data.values[rows, y], says_yes(z, scores.detectors, y)[rows]
            expected = ((truth & yes).sum(), (~truth & yes).sum(), (truth & ~yes).sum())
            assert tuple(counts[name][unit, y] for name in ("tp", "fp", "fn")) == expected
    arrays = label_arrays(scores)
    assert {name: len(value) for name, value in arrays.items()} == dict.fromkeys(arrays, len(data.units))
    assert np.array_equal(arrays["label_tp"], counts["tp"])


@pytest.mark.parametrize("block", [1, 77, 5000])
def test_scores_do_not_depend_on_blocks(block: int) -> None:
    z, data, scores = scored()
    again = score(detector_scores(codes_of(z, block), scores.detectors), data, scores.detectors)
    assert np.array_equal(again.positives, scores.positives)
    assert np.array_equal(again.negatives, scores.negatives)


def test_a_perfect_latent_has_everything_and_a_constant_nothing() -> None:
    """The label itself: F1 1, lift 1. A latent that fires everywhere: F1 2 b / (1 + b), lift 0."""
    validation, test = labels(0), labels(1, "test")
    for data_of, expected_lift in ((lambda d: d.values.astype(np.float32), 1.0), (lambda d: 0 * d.values + 1.0, 0.0)):
        parts = [data_of(data)[:, [2]].astype(np.float32) for data in (validation, test)]
        detectors = select_latents(codes_of(parts[0]), validation)
        row = label_rows(score(detector_scores(codes_of(parts[1]), detectors), test, detectors))[2]
        b = row["base_rate"]
        assert row["ap_lift"] == pytest.approx(expected_lift, abs=1e-12)
        assert row["f1"] == pytest.approx(1.0 if expected_lift else 2 * b / (1 + b))


def test_average_precision_of_given_counts() -> None:
    """Levels from the highest: 3 of 4 right, 1 of 4 right, 0 of 2 right; AP = 3/4 * 3/4 + 1/4 * 4/8; b = 4/10."""
    lift = ap_lift(np.array([[0.0, 1.0, 3.0]]), np.array([[2.0, 3.0, 1.0]]))
    average = 0.75 * 0.75 + 0.25 * 0.5
    assert lift[0] == pytest.approx((average - 0.4) / 0.6)
    assert np.isnan(ap_lift(np.zeros(3), np.ones(3)))
    assert np.isnan(ap_lift(np.ones(3), np.zeros(3)))


def test_results_are_means_over_labels() -> None:
    _, _, scores = scored()
    rows = label_rows(scores)
    results = {r.metric: r for r in label_results(scores, SUBJECT, numpy_generator(0, "b"))}
    assert tuple(results) == LABEL_METRICS
    for name in ("f1", "ap_lift"):
        every, contextual = results[f"label_{name}"], results[f"label_{name}_contextual"]
        assert every.value == pytest.approx(np.mean([row[name] for row in rows]))
        assert contextual.value == pytest.approx(np.mean([row[name] for row in rows if row["contextual"]]))
        assert every.ci_low is not None
        assert every.ci_high is not None
        assert every.value is not None
        assert every.ci_low < every.value < every.ci_high
        assert (every.n, every.n_unit) == (12, "units")


def test_a_resample_is_the_data_of_its_units() -> None:
    """Drawing units 0, 0 and 7: the statistic is that of the rows of those units, repeated."""
    z, data, scores = scored()
    rows = np.concatenate([np.flatnonzero(data.unit == unit) for unit in (0, 0, 7)])
    totals = _table(scores, scores.applicable)[[0, 0, 7]].sum(axis=0, keepdims=True)
    f1, lift = [], []
    for y in range(5):
        kept = rows[data.scored[rows, y]]
        truth = data.values[kept, y]
        f1.append(f1_score(truth, says_yes(z, scores.detectors, y)[kept]))
        average = average_precision_score(truth, level_of(z, scores.detectors, y)[kept])
        lift.append((average - truth.mean()) / (1 - truth.mean()))
    expected = [np.mean(f1), np.mean(f1[::2]), np.mean(lift), np.mean(lift[::2])]
    np.testing.assert_allclose(_label_means(totals, scores.contextual)[0], expected, rtol=1e-12)


def test_a_label_without_a_positive_row_is_left_out_of_a_resample() -> None:
    table = np.zeros((1, 2, 3 + 2 * 17))
    table[0, 0, :3], table[0, 0, [3 + 16, 3 + 17]] = (4, 0, 0), (4, 4)  # label 0: found without fault
    table[0, 1, 1], table[0, 1, 3 + 17] = 3, 9  # label 1: no positive row
    means = _label_means(table.reshape(1, -1), np.array([True, False]))
    assert means.tolist() == [[1.0, 1.0, 1.0, 1.0]]
    assert np.isnan(_label_means(table[:, [1, 1]].reshape(1, -1), np.array([True, False]))).all()


def test_labels_with_too_few_rows_are_left_out_and_counted() -> None:
    _, _, with_rare = scored(rare=True)
    row = label_rows(with_rare)[5]
    assert row["status"] == "not_applicable"
    assert "fewer than 100" in row["reason"]
    assert [row[name] for name in ("latent", "threshold", "f1", "ap_lift")] == [None] * 4
    results = label_results(with_rare, SUBJECT, numpy_generator(0, "b"))
    without = [row["f1"] for row in label_rows(with_rare)[:5]]
    assert results[0].value == pytest.approx(np.mean(without))
    assert {r.metric: (r.reason or "").split(";")[0] for r in results} == {
        "label_f1": "5 labels",
        "label_f1_contextual": "12 units: with fewer than 40 the interval is too narrow",
        "label_ap_lift": "5 labels",
        "label_ap_lift_contextual": "12 units: with fewer than 40 the interval is too narrow",
    }


def test_too_few_rows_on_either_side_count() -> None:
    """A label that test cannot score, and one that validation could not choose for."""
    validation, test = labels(0), labels(1, "test")
    few = test.values.copy()
    few[:, 4] &= test.document < 3
    test = labelled_rows(
        few, test.scored, unit=test.unit, document=test.document, units=test.units, labels=test.labels, split="test"
    )
    z = noisy_codes(validation, signed=True, sparse=True)
    detectors = replace(select_latents(codes_of(z), validation), why_not=("", "too few to choose", "", "", ""))
    scores = score(detector_scores(codes_of(z), detectors), test, detectors)
    assert scores.applicable.tolist() == [True, False, True, True, False]
    assert scores.why_not[1] == "too few to choose"
    assert "test split" in scores.why_not[4]


def test_without_any_label_there_is_no_number() -> None:
    _, _, scores = scored()
    none = replace(scores, why_not=("no",) * 5)
    results = label_results(none, SUBJECT, numpy_generator(0, "b"))
    assert {r.status for r in results} == {"not_applicable"}
    assert label_differences(none, none, numpy_generator(0, "b")) == []


def test_a_matrix_of_scores_is_scored_alike() -> None:
    validation, test = labels(0), labels(1, "test")
    parts = [noisy_codes(data, 5, signed=False, sparse=False) for data in (validation, test)]
    detectors = select_thresholds(parts[0], validation)
    rows = label_rows(score([parts[1]], test, detectors))
    for y, row in enumerate(rows):
        kept = test.scored[:, y]
        yes = parts[1][kept, y] > detectors.threshold[y]
        assert row["f1"] == pytest.approx(f1_score(test.values[kept, y], yes))
        assert (row["latent"], row["sign"]) == (None, None)
    with pytest.raises(ValueError, match="not latents"):
        next(detector_scores(codes_of(parts[1]), detectors))
    with pytest.raises(ValueError, match="not latents"):
        best_labels(codes_of(parts[1]), test, detectors)


def test_the_best_label_of_each_latent_on_other_rows() -> None:
    z, data, scores = scored(rare=True)
    chosen = scores.detectors.of_latents
    assert chosen is not None
    found = best_labels(codes_of(z, 77), data, scores.detectors)
    assert len(found) == 7
    for latent, row in enumerate(found):
        assert row is not None
        y = int(chosen.label[latent])
        yes = chosen.sign[latent] * z[:, latent] > chosen.threshold[latent]
        kept = data.scored[:, y]
        assert (row["label"], row["f1_validation"]) == (f"label_{y}", chosen.f1[latent])
        assert row["f1"] == pytest.approx(f1_score(data.values[kept, y], yes[kept]))


def test_differences_are_of_the_means_and_joint() -> None:
    """Of two methods alike but for one label the difference is that label's, and 0 with itself."""
    (_, _, a), (_, _, b) = scored(seed=1), scored(seed=2)
    for difference, one, other in zip(
        label_differences(a, b, numpy_generator(0, "b")),
        label_results(a, SUBJECT, numpy_generator(0, "b")),
        label_results(b, SUBJECT, numpy_generator(0, "b")),
        strict=True,
    ):
        assert one.value is not None
        assert other.value is not None
        assert difference.metric == one.metric
        assert difference.interval.value == pytest.approx(one.value - other.value)
        assert difference.smallest_detectable > 0
    for difference in label_differences(a, a, numpy_generator(0, "b")):
        assert (difference.interval.low, difference.interval.high, difference.smallest_detectable) == (0.0, 0.0, 0.0)


def test_only_methods_on_the_same_rows_are_compared() -> None:
    _, _, a = scored()
    with pytest.raises(ValueError, match="other units, labels or rows"):
        label_differences(a, replace(a, units=tuple(reversed(a.units))), numpy_generator(0, "b"))
    with pytest.raises(ValueError, match="other units, labels or rows"):
        label_differences(a, replace(a, positives=a.positives + 1), numpy_generator(0, "b"))


def test_scores_and_labels_must_have_the_same_rows() -> None:
    z, data, scores = scored()
    for other in (z[:-1], np.concatenate([z, z])):
        with pytest.raises(ValueError, match="labelled"):
            score(detector_scores(codes_of(other), scores.detectors), data, scores.detectors)
