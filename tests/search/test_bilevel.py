import pytest
import torch

from sksubsel.search.bilevel import first_order_gradient, second_order_gradient

SETTINGS = {"lr": 0.3, "momentum": 0.9, "weight_decay": 0.1}


class Toy:
    """Losses that are not quadratic, in two tensors of weights and two of parameters."""

    def __init__(self):
        draw = torch.Generator().manual_seed(0)

        def tensor(*shape):
            return torch.randn(*shape, generator=draw, dtype=torch.float64)

        self.weights = [tensor(3, 2).requires_grad_(), tensor(2).requires_grad_()]
        self.alphas = [tensor(3).requires_grad_(), tensor(2, 2).requires_grad_()]
        self.buffers = [tensor(3, 2), tensor(2)]
        self.data = {"train": (tensor(5, 3), tensor(5)), "valid": (tensor(4, 3), tensor(4))}

    def loss(self, part, weights=None):
        w, b = self.weights if weights is None else weights
        x, target = self.data[part]
        mixed = (x * self.alphas[0].softmax(0)) @ w + b
        out = torch.tanh(mixed @ self.alphas[1]).sum(dim=1)
        return ((out - target) ** 2).mean()

    def unrolled(self, buffers, *, lr, momentum, weight_decay):
        """The gradient through the step, by differentiating twice."""
        grads = torch.autograd.grad(self.loss("train"), self.weights, create_graph=True)
        new = []
        for k, (w, grad) in enumerate(zip(self.weights, grads)):
            step = grad + weight_decay * w
            new.append(w - lr * (step if buffers is None else step + momentum * buffers[k]))
        return torch.autograd.grad(self.loss("valid", new), self.alphas)


def second_order(toy, **params):
    return second_order_gradient(
        lambda: toy.loss("train"), lambda: toy.loss("valid"), toy.weights, toy.alphas,
        **{**SETTINGS, **params},
    )  # fmt: skip


def test_first_order_is_the_plain_gradient():
    toy = Toy()
    found = first_order_gradient(lambda: toy.loss("valid"), toy.alphas)
    for k, alpha in enumerate(toy.alphas):
        for place in range(alpha.numel()):
            flat, size = alpha.data.view(-1), 1e-6
            flat[place] += size
            ahead = toy.loss("valid").item()
            flat[place] -= 2 * size
            behind = toy.loss("valid").item()
            flat[place] += size
            slope = (ahead - behind) / (2 * size)
            assert float(found[k].view(-1)[place]) == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("momentum", [False, True])
def test_second_order_is_the_gradient_through_the_step(momentum):
    toy = Toy()
    buffers = toy.buffers if momentum else None
    explicit = toy.unrolled(buffers, **SETTINGS)
    found = second_order(toy, buffers=buffers, radius=1e-4)
    torch.testing.assert_close(found, list(explicit), rtol=1e-6, atol=1e-8)
    plain = first_order_gradient(lambda: toy.loss("valid"), toy.alphas)
    assert not torch.allclose(plain[0], explicit[0], rtol=0.01)
    # the original's radius is coarser, and good enough
    torch.testing.assert_close(
        second_order(toy, buffers=buffers), list(explicit), rtol=0.01, atol=1e-4
    )


def test_weights_are_put_back_to_the_bit():
    toy = Toy()
    before = [w.detach().clone() for w in toy.weights]
    second_order(toy, buffers=toy.buffers)
    assert all(torch.equal(w, b) for w, b in zip(toy.weights, before))
    calls = []

    def interrupted():
        calls.append(0)
        if len(calls) == 3:  # in the midst of the finite difference
            raise KeyboardInterrupt
        return toy.loss("train")

    with pytest.raises(KeyboardInterrupt):
        second_order_gradient(
            interrupted, lambda: toy.loss("valid"), toy.weights, toy.alphas, lr=0.1
        )
    assert all(torch.equal(w, b) for w, b in zip(toy.weights, before))


def test_where_the_weights_do_not_matter_any_more():
    alpha, weight = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    found = second_order_gradient(
        lambda: (weight * alpha).sum(), lambda: (alpha**2).sum() + 0 * weight.sum(),
        [weight], [alpha], lr=0.1,
    )  # fmt: skip
    torch.testing.assert_close(found, [torch.full((2,), 2.0)])
