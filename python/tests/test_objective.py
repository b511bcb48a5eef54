"""`Objective` and what belongs to it, on NumPy alone."""

import math
import pickle
import threading
import time

import golden
import numpy as np
import pytest

import surefoot
from surefoot import AdvantageEstimator, Correction, Counts, Objective


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 4e-6), (np.float64, 1e-11)])
def test_golden_batches(dtype, tolerance):
    seen = set()
    for key, options, arguments, loss, grad in golden.batches(dtype):
        seen.add(key)
        matrices, inside = golden.padded(arguments)
        objective = Objective(key, **options)
        size = np.abs(grad).sum()
        for evaluation, select in [
            (objective.evaluate(**arguments), ...),
            (objective.evaluate(**matrices), inside),
            (objective.evaluate(**arguments, stats=False), ...),
        ]:
            assert evaluation.grad_logp.dtype == dtype
            assert abs(evaluation.loss - loss) <= tolerance * (abs(loss) + size), (key, options)
            np.testing.assert_allclose(
                evaluation.grad_logp[select], grad, rtol=tolerance, atol=size * 1e-8, err_msg=key
            )
    assert seen == set(surefoot.objectives())


def test_single_precision_is_read_in_place_and_strides_are_copied():
    rng = np.random.default_rng(0)
    logp, logp_old = -rng.random((2, 4, 5), dtype=np.float32)
    advantages = np.array([1, -1, 2, -2], dtype=np.float32)
    objective = Objective("mhpo")
    expected = objective.evaluate(logp, logp_old, advantages)
    wide = np.zeros((4, 10), dtype=np.float32)
    wide[:, ::2] = logp
    for other in (wide[:, ::2], np.asfortranarray(logp), logp.tolist()):
        again = objective.evaluate(other, logp_old, advantages[:, None])
        assert again.loss == expected.loss
        np.testing.assert_array_equal(again.grad_logp, expected.grad_logp)
    logp.flags.writeable = False
    assert objective.evaluate(logp, logp_old, advantages).loss == expected.loss


def test_masks_of_any_kind_and_advantages_by_token():
    logp = np.array([[-1.0, -2.0, np.nan]], dtype=np.float32)
    old = np.array([[-1.5, -2.0, np.inf]], dtype=np.float32)
    by_sequence = Objective("is").evaluate(logp, old, [2.0], mask=[[1, 1, 0]])
    by_token = Objective("is").evaluate(logp, old, [[2.0, 2.0, np.nan]], mask=np.array([[1.0, 1.0, 0.0]]))
    assert by_sequence.loss == by_token.loss == pytest.approx(-(2 * math.exp(0.5) + 2) / 2)
    assert by_sequence.grad_logp[0, 2] == 0
    assert by_sequence.stats["ratio/max"] == pytest.approx(math.exp(0.5))


def test_parts_with_global_counts_add_up():
    rng = np.random.default_rng(1)
    logp, logp_old = -rng.random((2, 6, 9), dtype=np.float32)
    advantages = rng.standard_normal(6).astype(np.float32)
    mask = rng.random((6, 9)) < 0.6
    mask[4] = False
    groups = np.array([3, 3, 5, 5, 5, 9])
    for aggregation in ("seq-mean-token-mean", "token-mean", "prompt-mean-token-mean", "seq-mean-token-sum-norm"):
        objective = Objective("mhpo", aggregation=aggregation, aggregation_length=9)
        whole = objective.evaluate(logp, logp_old, advantages, mask, groups=groups)
        counts = sum((Counts.of(mask[part], groups=groups[part]) for part in (slice(0, 2), slice(2, 6))), Counts())
        parts = [
            objective.evaluate(
                logp[part], logp_old[part], advantages[part], mask[part], groups=groups[part], counts=counts
            )
            for part in (slice(0, 1), slice(1, 4), slice(4, 5), slice(5, 6))
        ]
        assert sum(part.loss for part in parts) == pytest.approx(whole.loss, rel=1e-6)
        np.testing.assert_allclose(np.concatenate([part.grad_logp for part in parts]), whole.grad_logp, rtol=1e-6)
        assert surefoot.merge_stats(parts) == pytest.approx(whole.stats, rel=1e-6)


def test_detail_holds_each_tokens_terms():
    detail = Objective("grpo").evaluate([[0.0, 1.0]], [[0.0, 0.0]], [2.0], detail=True).detail
    assert detail["surrogate"].tolist() == [[2.0, pytest.approx(2.4)]]
    assert detail["coefficient"].tolist() == [[2.0, 0.0]]
    names = surefoot.region_names()
    assert [names[region] for region in detail["region"][0]] == ["m", "hp"]
    assert Objective("grpo").evaluate([[0.0]], [[0.0]], [2.0]).detail is None


def test_errors_have_the_text_of_rust():
    for call, text in [
        (lambda: Objective("mpho"), "there is no objective `mpho` (did you mean `mhpo`?); there are pg, is, grpo"),
        (lambda: Objective("mhpo", bonud=1), "objective mhpo has no option `bonud` (did you mean `bound`?)"),
        (lambda: Objective("mhpo", bound=-1), "option `bound` is -1, expected a number from 0.001 to 64"),
        (lambda: Objective("mhpo").evaluate([[np.nan]], [[0.0]], [1.0]), "logp is NaN at sequence 0, position 0"),
        (lambda: Objective("mhpo").evaluate([[0.0]], [[0.0]], [1.0], [[0]]), "the mask trains no token of the batch"),
        (lambda: Objective("mhpo").evaluate([0.0], [0.0], [1.0]), "offsets are needed"),
        (lambda: Objective("mhpo").evaluate([0.0], [0.0], [1.0], offsets=[0, 2]), "offsets[1] is 2, expected 1"),
        (
            lambda: Objective("mhpo").evaluate([[0.0]], [[0.0, 1.0]], [1.0]),
            "logp_old has shape [1, 2], expected [1, 1]",
        ),
        (
            lambda: Objective("mhpo").evaluate([[0.0]], [[0.0]], [1.0, 2.0]),
            "advantages has shape [2], expected one a sequence",
        ),
        (lambda: Objective("mhpo").evaluate([["x"]], [[0.0]], [1.0]), "logp: could not convert string to float"),
        (lambda: Objective("cpgd").evaluate([[0.0]], [[0.0]], [1.0]), "needs groups"),
        (lambda: Objective("mhpo", reference_coefficient=1).evaluate([[0.0]], [[0.0]], [1.0]), "needs logp_ref"),
        (lambda: AdvantageEstimator("grpo").compute([1, 2], [0, 1]), "sequence 0 is alone in group 0"),
        (lambda: AdvantageEstimator("grpo").compute([1, 2], [-1, 1]), "groups: -1 is not a number from 0"),
        (lambda: Correction(rollout_is_threshold=2), 'rollout_is_threshold needs rollout_is = "token"'),
    ]:
        with pytest.raises(ValueError) as caught:
            call()
        assert text in str(caught.value)
    with pytest.raises(TypeError, match="option `bound` is of type list, expected a number or text"):
        Objective("mhpo", bound=[1])


def test_a_part_without_trained_tokens_adds_nothing():
    part = Objective("mhpo").evaluate([[np.nan]], [[0.0]], [1.0], [[0]], counts=Counts(7, 2))
    assert (part.loss, part.grad_logp.tolist(), part.stats) == (0.0, [[0.0]], {})


def test_objects_pickle_and_compare():
    for thing in [
        Objective("cpgd", drift_bound=1.0, reference_coefficient=0.1),
        Objective("dr_grpo", aggregation_length=20),
        AdvantageEstimator("dr_grpo", weight="clip-filter"),
        Correction(rollout_is_threshold="0.5_5", rollout_is="token", rollout_rs="seq_mean_k1"),
        Counts(5, 2, {3: 1, 1: 4}),
        surefoot.Verifier(format="boxed", deadline_ms=None),
        surefoot.verify("1/2", "0.5"),
        surefoot.verify("1/2", ""),
    ]:
        again = pickle.loads(pickle.dumps(thing))
        assert again == thing and repr(again) == repr(thing) and {again, thing} == {thing}
    assert Objective("mhpo") != Objective("mhpo", bound=1)
    assert Objective("mhpo").with_options(bound=1) == Objective("mhpo", bound=1)
    zeros = [Objective("mhpo", reference_coefficient=zero) for zero in (0.0, -0.0)]
    assert zeros[0] == zeros[1] and len(set(zeros)) == 1


def test_an_evaluation_pickles_and_its_statistics_merge():
    """As ranks send them to each other."""
    logp, old = -np.random.default_rng(2).random((2, 3, 4), dtype=np.float32)
    parts = [Objective("mhpo").evaluate(logp[row], old[row], [1.0], detail=True) for row in (slice(0, 1), slice(1, 2))]
    sent = [pickle.loads(pickle.dumps(part)) for part in parts]
    for part, again in zip(parts, sent, strict=True):
        assert again.loss == part.loss and again.stats == part.stats and repr(again) == repr(part)
        np.testing.assert_array_equal(again.grad_logp, part.grad_logp)
        assert again.detail.keys() == part.detail.keys()
        np.testing.assert_array_equal(again.detail["region"], part.detail["region"])
    assert surefoot.merge_stats(sent) == surefoot.merge_stats(parts)
    assert pickle.loads(pickle.dumps(Objective("is").evaluate(logp, old, [1, 1, 1], stats=False))).stats == {}
    with pytest.raises(ValueError, match="statistics of an evaluation"):
        surefoot.Evaluation(0.0, logp, [1, 2, 3], None)


def test_golden_advantages():
    for case in golden.advantages():
        offsets = np.concatenate([[0], np.cumsum(case["lengths"])])
        weights = case.get("weights")
        got = AdvantageEstimator(case["estimator"], **case["options"]).compute(
            case["rewards"] if weights is None else np.reshape(case["parts"], (-1, len(weights))),
            case["groups"],
            mask=case["mask"],
            offsets=offsets,
            logp_old=case["logp_old"],
            logp_ref=case["logp_ref"],
            weights=weights,
        )
        np.testing.assert_allclose(got, case["advantages"], rtol=2e-7, err_msg=case["estimator"])


def test_several_rewards():
    rewards = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 1.0]]
    groups, weights = [0, 0, 1, 1], [0.25, 1.0]
    summed = AdvantageEstimator("dr_grpo").compute(rewards, groups, weights=weights)
    np.testing.assert_allclose(summed, [-0.375, 0.375, 0.125, -0.125], rtol=1e-6)
    decoupled = AdvantageEstimator("gdpo").compute(rewards, groups, weights=weights)
    assert decoupled[0] / decoupled[3] == pytest.approx(3, rel=1e-5)
    with pytest.raises(ValueError, match="weights has 1 entries, and rewards has 2 columns"):
        AdvantageEstimator("gdpo").compute(rewards, groups, weights=[1.0])
    with pytest.raises(ValueError, match="weights without several rewards"):
        AdvantageEstimator("gdpo").compute([1.0, 0.0], [0, 0], weights=[1.0])
    with pytest.raises(ValueError, match="takes no penalties"):
        AdvantageEstimator("gdpo").compute([1.0, 0.0], [0, 0], mask=[[True], [True]], penalties=[[0.1], [0.1]])


def test_advantages_by_token_have_the_shape_of_the_mask():
    mask = np.array([[True, True, False], [True, False, False]])
    got = AdvantageEstimator("reinforce_plus_plus").compute([1.0, 0.0], [0, 0], mask=mask)
    assert got.shape == (2, 3) and got[~mask].tolist() == [0, 0, 0] and got[0, 0] > 0 > got[1, 0]


def test_correction_gives_weights_mask_and_statistics():
    weights, mask, stats = Correction(
        rollout_rs="seq_mean_k1", rollout_rs_threshold="0.999_1.001", rollout_is="token"
    ).apply([[-1.0, -1.0], [-2.0, 0.0]], [[-2.0, -1.0], [-2.0, 0.0]], [[True, True], [True, False]])
    assert weights.tolist() == [[2.0, 1.0], [1.0, 1.0]]
    assert mask.tolist() == [[False, False], [True, False]]
    assert stats["behavior/rejected_sequences"] == 0.5
    assert Correction().apply([[0.0]], [[0.0]])[:2] == (None, None)


def test_overlong_penalty():
    assert [surefoot.overlong_penalty(n, 100, 20) for n in (80, 90, 100, 500)] == [0, -0.5, -1, -1]


def test_the_lock_of_the_interpreter_is_released():
    """While one call evaluates, another thread runs Python: with the lock held it could not tick within the call."""
    n = 12_000_000
    logp = np.full((1, n), -1.0, dtype=np.float32)
    old, objective = np.zeros_like(logp), Objective("mhpo")
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    objective.evaluate(logp, old, [1.0])
    end = time.perf_counter()
    stop.set()
    thread.join()
    # arguments and result are handled under the lock, in far less than these shares of the time
    inside = [at for at in ticks if start + 0.1 * (end - start) < at < end - 0.1 * (end - start)]
    assert len(inside) >= 2, (len(inside), end - start)
