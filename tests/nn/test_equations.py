"""The equations against small computations written out by hand, entry by entry."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp

from sksubsel.nn.approximator import SUMMARIES, ApproximatorNet, masked_attention, split_padding
from sksubsel.nn.encoder import GraphVAE
from sksubsel.nn.scorer import ScorerNet, inductive_objective


def _vae_and_graphs():
    torch.manual_seed(0)
    vae = GraphVAE(n_ops=3, latent_dim=2, hidden_dim=4, n_rounds=2).double().eval()
    ops = torch.tensor([[1, 2, 1], [2, 1, -1]])
    adjacency = torch.zeros(2, 3, 3, dtype=torch.bool)
    adjacency[0, 0, 1] = adjacency[0, 0, 2] = adjacency[1, 0, 1] = True
    return vae, ops, adjacency


@pytest.fixture(autouse=True)
def _keep_global_rng():
    with torch.random.fork_rng():
        yield


def test_elbo_is_the_sum_over_nodes_pairs_and_dimensions():
    vae, ops, adjacency = _vae_and_graphs()
    vae.float()
    noise = torch.randn(2, 3, 2)
    elbo = vae.elbo(ops, adjacency, noise, backend="torch")

    from sksubsel.nn.graph import PackedGraphs

    graphs = PackedGraphs(ops, adjacency, "torch")
    with torch.no_grad():
        mu, log_sigma = (graphs.unpack(t).numpy() for t in vae.encode(graphs, graphs.ops))
        weight = vae.op_decoder.weight.numpy()
        bias = vae.op_decoder.bias.numpy()
    op_ll = edge_ll = kl = 0.0
    for a, size in enumerate([3, 2]):
        z = mu[a] + np.exp(log_sigma[a]) * noise[a].numpy()
        for u in range(size):
            logits = weight @ z[u] + bias
            op_ll += logits[ops[a, u]] - logsumexp(logits)
            for k in range(2):
                variance = np.exp(2 * log_sigma[a, u, k])
                kl += 0.5 * (variance + mu[a, u, k] ** 2 - 1 - np.log(variance))
            for v in range(u + 1, size):
                p = expit(z[u] @ z[v])
                edge_ll += np.log(p if adjacency[a, u, v] else 1 - p)
    np.testing.assert_allclose(elbo.op_log_likelihood.item(), op_ll / 2, rtol=1e-5)
    np.testing.assert_allclose(elbo.edge_log_likelihood.item(), edge_ll / 2, rtol=1e-5)
    np.testing.assert_allclose(elbo.kl.item(), kl / 2, rtol=1e-5)


def test_kl_against_monte_carlo():
    vae, ops, adjacency = _vae_and_graphs()
    vae.float()
    from sksubsel.nn.graph import PackedGraphs

    graphs = PackedGraphs(ops, adjacency, "torch")
    with torch.no_grad():
        mu, log_sigma = vae.encode(graphs, graphs.ops)
        posterior = torch.distributions.Normal(mu, log_sigma.exp())
        prior = torch.distributions.Normal(0.0, 1.0)
        kl = torch.distributions.kl_divergence(posterior, prior).sum() / 2
        torch.testing.assert_close(vae.elbo(ops, adjacency).kl, kl)


def test_padding_counts_in_nothing():
    vae, ops, adjacency = _vae_and_graphs()
    vae.float()
    wide_ops = torch.cat([ops, torch.full((2, 2), -1)], dim=1)
    wide = torch.zeros(2, 5, 5, dtype=torch.bool)
    wide[:, :3, :3] = adjacency
    for one, other in zip(vae.elbo(ops, adjacency), vae.elbo(wide_ops, wide)):
        torch.testing.assert_close(one, other)


def test_attention_entry_by_entry():
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 4, 8, generator=generator) for _ in range(3))
    mask = torch.tensor([[False, True, True, True]])
    out = masked_attention(q, k, v, mask)
    for u in range(1, 4):
        weights = [math.exp(float(q[0, u] @ k[0, w]) / math.sqrt(8)) for w in range(1, 4)]
        expected = sum(w * v[0, i + 1] for i, w in enumerate(weights)) / sum(weights)
        torch.testing.assert_close(out[0, u], expected)


@pytest.mark.parametrize("name", sorted(SUMMARIES))
def test_summaries_ignore_padding(name):
    torch.manual_seed(0)
    summary = SUMMARIES[name](latent_dim=4)
    h = torch.randn(1, 3, 4)
    padded = torch.cat([torch.full((1, 2, 4), torch.nan), h], dim=1)
    batch = torch.cat([padded, torch.randn(1, 5, 4)])  # beside a longer one
    torch.testing.assert_close(
        summary(*split_padding(batch))[0], summary(*split_padding(h))[0], atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("name", sorted(SUMMARIES))
def test_summaries_see_the_nodes(name):
    torch.manual_seed(0)
    summary = SUMMARIES[name](latent_dim=4)
    h = torch.randn(2, 3, 4)
    out = summary(*split_padding(h))
    assert out.shape == (2, 4)
    assert (out[0] - out[1]).abs().max() > 1e-3


def test_hidden_layer_splits_into_architecture_and_instance():
    torch.manual_seed(0)
    net = ApproximatorNet(4, 6, 3, "attention", residual=True, hidden_dim=5).eval()
    torch.nn.init.normal_(net.output.weight)
    torch.nn.init.normal_(net.temperature.weight)
    h, x, base = torch.randn(2, 3, 4), torch.randn(7, 6), torch.randn(7, 3)
    mask = torch.ones(2, 3, dtype=torch.bool)
    out = net(h, mask, x, base[None])
    z = net.summary(h, mask)
    torch.testing.assert_close(out, net.combine(z, net.instance_part(x, base)[None], base[None]))
    # the same, as one concatenated layer per pair
    weight = torch.cat(
        [net.from_architecture.weight, net.from_instance.weight, net.from_base.weight], dim=1
    )
    pair = torch.cat([z[1], x[4], base[4]])
    hidden = torch.relu(weight @ pair + net.from_instance.bias)
    expected = (1 + net.temperature(z[1])) * base[4] + net.output(hidden)
    torch.testing.assert_close(out[1, 4], expected)


def test_residual_form_starts_at_the_base():
    net = ApproximatorNet(4, 6, 3, "attention", residual=True).eval()
    base = torch.randn(7, 3)
    mask = torch.ones(2, 3, dtype=torch.bool)
    out = net(torch.randn(2, 3, 4), mask, torch.randn(7, 6), base[None])
    torch.testing.assert_close(out, base.expand(2, 7, 3))


def test_inductive_objective_by_hand():
    logits = torch.tensor([[0.3, -1.0, 2.0]])
    losses = torch.tensor([[0.1, 0.7, 1.5]])
    lam, beta, fraction = 0.5, 2.0, 0.25
    pi = expit(logits[0].numpy())
    p = pi / pi.sum()
    entropy = -(p * np.log(p)).sum() - np.log(3)
    expected = (
        (p * losses[0].numpy()).sum() - lam * entropy + beta * (pi.mean() / fraction - 1) ** 2
    )
    value = inductive_objective(logits, losses, lam, beta, fraction)
    np.testing.assert_allclose(value.item(), expected, rtol=1e-5)


def test_inductive_objective_is_least_at_the_closed_form():
    losses = torch.rand(1, 200, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    lam, fraction = 0.5, 0.1
    weights = (-losses / lam).exp()
    pi = weights / weights.mean() * fraction
    best = (pi / (1 - pi)).log().requires_grad_()
    inductive_objective(best, losses, lam, 1.0, fraction).backward()
    assert best.grad.abs().max() < 1e-9


def test_scorer_splits_into_architecture_instance_and_pair():
    torch.manual_seed(0)
    net = ScorerNet(latent_dim=3, n_instance=4, n_outputs=2)
    h, x, p = torch.randn(2, 3), torch.randn(5, 4), torch.randn(2, 5, 3)
    out = net.combine(h, net.instance_part(x), p)
    weight = torch.cat(
        [net.from_architecture.weight, net.from_instance.weight, net.from_prediction.weight], dim=1
    )
    leaky = torch.nn.functional.leaky_relu
    first = leaky(weight @ torch.cat([h[1], x[3], p[1, 3]]) + net.from_instance.bias)
    torch.testing.assert_close(out[1, 3], net.score(leaky(net.hidden(first)))[0])
