"""What arrays may be given: any mask, shapes that fit, whole numbers as ids. Anything else is refused by its name."""

import numpy as np
import pytest

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
        "rewards has shape [2, 2], expected [N]", AdvantageEstimator("grpo").compute, [[1, 0], [1, 1]], [0, 0, 1, 1]
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
