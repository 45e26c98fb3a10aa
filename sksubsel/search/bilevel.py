"""Gradients of the validation loss by an architecture's parameters (Liu et al. 2019, eq. 5-8)."""

from __future__ import annotations

import torch

__all__ = ["first_order_gradient", "second_order_gradient"]

_RADIUS = 1e-2  # length of the finite difference's step, as in the original


def first_order_gradient(valid_loss, alphas) -> list[torch.Tensor]:
    """The weights taken as they are, as if they did not depend on the architecture.

    Parameters
    ----------
    valid_loss : callable
        ``valid_loss() -> scalar Tensor``.
    alphas : sequence of Tensors
    """
    return list(torch.autograd.grad(valid_loss(), alphas))


def second_order_gradient(
    train_loss,
    valid_loss,
    weights,
    alphas,
    *,
    lr,
    buffers=None,
    momentum=0.0,
    weight_decay=0.0,
    radius=_RADIUS,
) -> list[torch.Tensor]:
    """The weights taken as one training step makes them, which depends on the architecture.

    With w' = w - xi (momentum buffer + grad_w L_train(w, alpha) + decay w), the gradient is that
    of L_valid(w', alpha): grad_alpha L_valid(w', alpha) - xi H v, where v = grad_w' L_valid(w',
    alpha) and H = d^2 L_train(w, alpha) / d alpha d w. The product is a finite difference of
    grad_alpha L_train at w +- (radius / |v|) v.

    Parameters
    ----------
    train_loss, valid_loss : callable
        Scalar Tensor of the current weights and parameters, on one batch each.
    weights, alphas : sequence of Tensors
        The weights are changed meanwhile, and put back to the bit.
    lr : float
        xi, the learning rate of the step.
    buffers : sequence of Tensors or None
        Momentum of each weight; None before the first step.
    momentum, weight_decay : float
    radius : float

    Returns
    -------
    list of Tensors, one for each of `alphas`
    """
    kept = [weight.detach().clone() for weight in weights]
    try:
        steps = list(torch.autograd.grad(train_loss(), weights))
        with torch.no_grad():
            for k, (weight, step) in enumerate(zip(weights, steps)):
                step = step + weight_decay * weight
                if buffers is not None:
                    step = step + momentum * buffers[k]
                weight.sub_(lr * step)
        grads = torch.autograd.grad(valid_loss(), [*alphas, *weights])
        direct, vector = list(grads[: len(alphas)]), grads[len(alphas) :]
        length = torch.stack([part.square().sum() for part in vector]).sum().sqrt()
        if length == 0:
            return direct
        size = radius / length
        ahead, behind = (
            _gradient_at(sign * size, vector, kept, train_loss, weights, alphas) for sign in (1, -1)
        )
    finally:
        with torch.no_grad():
            for weight, before in zip(weights, kept):
                weight.copy_(before)
    return [d - lr * (a - b) / (2 * size) for d, a, b in zip(direct, ahead, behind)]


def _gradient_at(size, vector, kept, train_loss, weights, alphas):
    with torch.no_grad():
        for weight, before, part in zip(weights, kept, vector):
            weight.copy_(before + size * part)
    return torch.autograd.grad(train_loss(), alphas)
