"""A device of PyTorch beside the CPU, whose tensors NumPy cannot read, for machines without a GPU.

PyTorch's key for devices of others (PrivateUse1) is given a backend in Python: a tensor there has no memory that PyTorch knows, every
operator runs on a CPU tensor that it hides, and each crossing between the two devices is counted. Registering is for a whole
process, so this is a script: it prints what `surefoot.torch` gives there, beside the CPU, as JSON.
"""

import json
from functools import partial

import torch
from torch.utils._pytree import tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

import surefoot
from surefoot.torch import global_counts, policy_loss, token_losses

#: Crossings between the devices: (from, to, elements).
crossings = []


class Far(torch.Tensor):
    """A tensor of the device `far`."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, hidden):
        tensor = torch._C._acc.create_empty_tensor(hidden.shape, hidden.dtype)
        tensor.__class__ = cls
        tensor.hidden = hidden
        return tensor

    def __init__(self, hidden):
        pass


def near(value):
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return value.hidden if isinstance(value, Far) else value


def far(value):
    return Far(value) if isinstance(value, torch.Tensor) and not isinstance(value, Far) else value


def on_far(operator, *arguments, **options):
    if operator.name() == "aten::_copy_from":
        source, target = arguments[:2]
        if source.device != target.device:
            crossings.append((source.device.type, target.device.type, source.numel()))
        near(target).copy_(near(source))
        return target
    inner, inner_options = tree_map(near, (arguments, options))
    result = operator(*inner, **inner_options)
    return arguments[0] if operator._schema.name.endswith("_") else tree_map(far, result)


def crossed(work):
    """What `work` returns, and what crossed meanwhile."""
    crossings.clear()
    result = work()
    return result, list(crossings)


def compare(loss_of, columns):
    """Loss, statistics and gradient of `loss_of` on both devices."""
    logp, *others = columns
    leaf = logp.clone().requires_grad_()
    loss, stats = loss_of(leaf, *others)
    (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    leaf, *others = (column.to("far") for column in columns)
    leaf.requires_grad_()
    (far_loss, far_stats), forward = crossed(lambda: loss_of(leaf, *others))
    total = far_loss.sum()
    (far_gradient,), backward = crossed(lambda: torch.autograd.grad(total, leaf))
    return {
        "devices": [far_loss.device.type, far_gradient.device.type],
        "dtypes": [str(far_loss.dtype), str(far_gradient.dtype)],
        "equal": [torch.equal(far_loss.cpu(), loss), stats == far_stats, torch.equal(far_gradient.cpu(), gradient)],
        "forward": forward,
        "backward": backward,
    }


def main():
    _setup_privateuseone_for_python_backend("far")
    others = torch.library.Library("_", "IMPL")
    others.fallback(on_far, "PrivateUse1")
    # PyTorch's own kernel for every device comes before a fallback, and would lose what a tensor hides.
    views = torch.library.Library("aten", "IMPL")
    for name in ("detach", "alias", "unsqueeze", "expand"):
        views.impl(name, partial(on_far, getattr(torch.ops.aten, name).default), "PrivateUse1")
    draw = torch.Generator().manual_seed(0)
    logp = -2 * torch.rand(5, 7, generator=draw)
    old = logp + 0.4 * torch.randn(5, 7, generator=draw)
    mask = torch.rand(5, 7, generator=draw) < 0.7
    advantages = torch.randn(5, generator=draw)
    found = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        columns = [logp.to(dtype), old.to(dtype), advantages.to(dtype), mask]
        for name, loss_of in (("policy_loss", policy_loss), ("token_losses", token_losses)):
            found[f"{name} {dtype}"] = compare(loss_of, columns)
    groups = torch.tensor([0, 0, 1, 1, 1])
    counts = global_counts(mask.to("far"), groups=groups.to("far"))
    expected = surefoot.Counts.of(mask.numpy(), groups=groups.numpy())
    found["counts"] = counts == expected
    print(json.dumps(found))


if __name__ == "__main__":
    main()
