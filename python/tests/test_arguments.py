"""What arrays may be given: any mask, shapes that fit, whole numbers as ids. Anything else is refused by its name."""

import numpy as np
import pytest

import surefoot
from surefoot import AdvantageEstimator, Correction, Counts, Objective


def refused(text, call, *arguments, **keywords):
    """That the call raises a ValueError with this text, in the words of Python."""
    with pytest.raises(ValueError) as caught:
        call(*arguments, **keywords)
    assert text in str(caught.value)
    assert "::" not in str(caught.value)


def test_any_byte_but_0_in_a_mask_trains_the_token():
    mask = np.array([[255, 2, 0], [128, 0, 1]], dtype=np.uint8).view(bool)
    same = np.array([[True, True, False], [True, False, True]])
    assert Counts.of(mask) == Counts(4, 2)
    logp, old = -np.arange(12, dtype=np.float32).reshape(2, 2, 3) / 10
    ours, plain = (Objective("mhpo").evaluate(logp, old, [1.0, -1.0], trained) for trained in (mask, same))
    assert ours.loss == plain.loss and ours.stats == plain.stats
    estimator = AdvantageEstimator("reinforce_plus_plus")
    assert (
        estimator.compute([1, 0], [0, 0], mask=mask).tolist() == estimator.compute([1, 0], [0, 0], mask=same).tolist()
    )
    kept = Correction(rollout_rs="token_k1", rollout_rs_threshold="0.1_10").apply(logp, old, mask)[1]
    assert kept.view(np.uint8).tolist() == same.astype(np.uint8).tolist()


def test_offsets_that_are_no_boundaries():
    logp = [-1.0, -2.0]
    for offsets, text in [
        ([], "offsets is empty, expected the N+1 boundaries of N packed sequences"),
        ([[0, 2]], "offsets has shape [1, 2], expected [N+1]"),
        ([0.0, 1.5, 2.0], "offsets: 1.5 is not a whole number"),
        ([0, -1, 2], "offsets: -1 is negative"),
    ]:
        refused(text, Counts.of, [True, True], offsets=offsets)
        refused(text, Objective("mhpo").evaluate, logp, logp, [1.0], offsets=offsets)
        refused(text, Correction().apply, logp, logp, offsets=offsets)
    assert Counts.of([True, True], offsets=np.array([0.0, 2.0])) == Counts(2, 1)


def test_shapes_that_do_not_fit():
    """Lengths alone would let a transposed array through."""
    tokens, turned = np.full((2, 3), -1.0, dtype=np.float32), np.full((3, 2), -1.0, dtype=np.float32)
    mask = np.array([[True, True, False], [True, False, False]])
    refused("mask has shape [3, 2], expected [2, 3]", Correction(rollout_is="token").apply, tokens, tokens, mask.T)
    estimator = AdvantageEstimator("reinforce_plus_plus", kl_coefficient=0.1)
    for keywords, text in [
        ({"mask": mask, "logp_old": turned, "logp_ref": tokens}, "logp_old has shape [3, 2], expected [2, 3]"),
        ({"mask": mask, "logp_old": tokens, "logp_ref": turned}, "logp_ref has shape [3, 2], expected [2, 3]"),
        ({"mask": mask, "penalties": turned}, "penalties has shape [3, 2], expected [2, 3]"),
        ({"mask": mask.T}, "mask has 3 sequences, and rewards has 2"),
    ]:
        refused(text, estimator.compute, [1.0, 0.0], [0, 0], **keywords)
    refused(
        "rewards has shape [1, 2, 2], expected [N] or [N, K]",
        AdvantageEstimator("grpo").compute,
        [[[1, 0], [1, 1]]],
        [0],
    )
    refused("groups has shape [2, 2], expected [N]", AdvantageEstimator("grpo").compute, [1, 0, 1, 1], [[0, 0], [1, 1]])


def test_ids_that_are_no_whole_numbers():
    refused("groups: 0.2 is not a whole number", AdvantageEstimator("grpo").compute, [1, 0, 1], [0.2, 0.7, 1.9])
    refused("groups: NaN is not a whole number", Counts.of, [[True]], groups=[np.nan])
    refused("groups: could not convert", Counts.of, [[True]], groups=["a"])
    refused("is not a number from 0 to 4294967295", Counts.of, [[True]], groups=[2e21])
    assert Counts.of([[True], [True]], groups=[3.0, 4.0]) == Counts(2, 2, {3: 1, 4: 1})


def test_masked_arrays_would_lose_their_mask():
    masked = np.ma.masked_array([[-1.0, -2.0]], mask=[[False, True]], dtype=np.float32)
    for name in ("logp", "logp_old", "mask", "token_weights"):
        arguments = {"logp": [[0.0, 0.0]], "logp_old": [[0.0, 0.0]], "advantages": [1.0], name: masked}
        refused(f"{name} is a masked array, whose mask would be lost", Objective("mhpo").evaluate, **arguments)
    refused("rewards is a masked array", AdvantageEstimator("raw").compute, np.ma.masked_array([1.0], [True]), [0])
    refused("groups is a masked array", Counts.of, [[True]], groups=np.ma.masked_array([1], [True]))


def test_what_is_missing_is_named_as_an_argument():
    by_token = AdvantageEstimator("reinforce_plus_plus")
    refused("needs the tokens; give mask=, [N, T] or packed [T] with offsets=", by_token.compute, [1, 0], [0, 0])
    refused("offsets without a mask; give mask=", by_token.compute, [1, 0], [0, 0], offsets=[0, 1, 2])
    with_penalty = AdvantageEstimator("grpo", kl_coefficient=0.1)
    refused("needs the tokens; give mask=", with_penalty.compute, [1, 0], [0, 0])
    refused(
        "needs logp_old and logp_ref; give logp_old= and logp_ref=",
        with_penalty.compute,
        [1, 0],
        [0, 0],
        mask=[[1], [1]],
    )
    refused(
        "logp_old without a mask; give mask=", with_penalty.compute, [1, 0], [0, 0], logp_old=[1, 0], logp_ref=[1, 0]
    )
    refused(
        "logp_old without logp_ref; give both",
        with_penalty.compute,
        [1, 0],
        [0, 0],
        mask=[[1], [1]],
        logp_old=[[1], [0]],
    )
    zeros = [[0.0]], [[0.0]], [1.0]
    refused("needs logp_ref; give logp_ref=", Objective("mhpo", reference_coefficient=0.1).evaluate, *zeros)
    refused(
        "needs logp_epoch; give logp_epoch=", Objective("cpgd", epoch_weight="truncated").evaluate, *zeros, groups=[0]
    )


def test_a_length_is_asked_for_where_it_is_read():
    assert len([Objective(key) for key in surefoot.objectives()]) == len(surefoot.objectives())
    zeros = [[0.0]], [[0.0]], [1.0]
    needed = "seq-mean-token-sum-norm needs aggregation_length"
    refused(needed, Objective("dr_grpo").evaluate, *zeros)
    refused(needed, Objective("dr_grpo").evaluate, *zeros, counts=Counts(1, 1))
    assert Objective("dr_grpo").with_options(aggregation="token-mean").evaluate(*zeros).loss == -1.0
    assert Objective("dr_grpo", aggregation_length=4).evaluate(*zeros).loss == -0.25


def test_an_estimator_is_named_once():
    refused('the estimator is named first: AdvantageEstimator("rloo")', AdvantageEstimator, "grpo", estimator="rloo")


def test_a_half_of_a_surrogate_pair_is_replaced():
    golds, answers = ["1/2", "3", "\ud83d"], ["\ud800 so it is 0.5", "4", "5"]
    assert [bool(report) for report in surefoot.verify_batch(golds, answers)] == [True, False, False]
    assert surefoot.verify("1/2", "0.5 \udfff").answer.encode()
    assert surefoot.Verifier().finds_answer("\udfff 7")
