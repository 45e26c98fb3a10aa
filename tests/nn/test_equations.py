"""The equations against small computations written out by hand, entry by entry."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp

from sksubsel.nn.approximator import SUMMARIES, ApproximatorNet, masked_attention, split_padding
from sksubsel.nn.encoder import GraphVAE
from sksubsel.nn.graph import PackedGraphs
from sksubsel.nn.scorer import ScorerNet, inductive_objective


def _vae_and_graphs(n_attributes=0):
    torch.manual_seed(0)
    vae = GraphVAE(3, latent_dim=2, hidden_dim=4, n_rounds=2, n_attributes=n_attributes).eval()
    graphs = PackedGraphs(
        ops=torch.tensor([1, 2, 1, 2, 1]),
        edges=torch.tensor([[0, 1], [0, 2], [3, 4]]),
        sizes=torch.tensor([3, 2]),
        n_edges=torch.tensor([2, 1]),
        attributes=torch.randn(5, n_attributes),
        backend="torch",
    )
    return vae, graphs


@pytest.fixture(autouse=True)
def _keep_global_rng():
    with torch.random.fork_rng():
        yield


def test_elbo_is_the_sum_over_nodes_pairs_and_dimensions():
    vae, graphs = _vae_and_graphs(n_attributes=3)
    noise = torch.randn(5, 2)
    with torch.no_grad():
        for part in vae.edge_decoder.parameters():
            part.normal_()
        elbo = vae.elbo(graphs, noise)
        mu, log_sigma = (part.numpy() for part in vae.encode(graphs))
        weight, bias = (part.numpy() for part in vae.op_decoder.parameters())
        slope, offset = (part.numpy() for part in vae.attribute_decoder.parameters())
        form, shift = (part.numpy() for part in vae.edge_decoder.parameters())
    z = mu + np.exp(log_sigma) * noise.numpy()
    edges = graphs.edges.tolist()
    op_ll = edge_ll = attribute_ll = kl = 0.0
    for first, size in ((0, 3), (3, 2)):
        for u in range(first, first + size):
            logits = weight @ z[u] + bias
            op_ll += logits[graphs.ops[u]] - logsumexp(logits)
            for k in range(3):
                error = graphs.attributes[u, k] - slope[k] @ z[u] - offset[k]
                attribute_ll -= error**2 / (2 * 0.1)
            for k in range(2):
                variance = np.exp(2 * log_sigma[u, k])
                kl += 0.5 * (variance + mu[u, k] ** 2 - 1 - np.log(variance))
            for v in range(u + 1, first + size):
                p = expit((form @ z[u] + shift) @ z[v])
                edge_ll += np.log(p if [u, v] in edges else 1 - p)
    np.testing.assert_allclose(elbo.op_log_likelihood.item(), op_ll / 2, rtol=1e-5)
    np.testing.assert_allclose(elbo.edge_log_likelihood.item(), edge_ll / 2, rtol=1e-5)
    np.testing.assert_allclose(elbo.attribute_log_likelihood.item(), attribute_ll / 2, rtol=1e-5)
    np.testing.assert_allclose(elbo.kl.item(), kl / 2, rtol=1e-5)


def test_message_passing_node_by_node():
    vae, graphs = _vae_and_graphs(n_attributes=2)
    with torch.no_grad():
        for norm in (m for m in vae.modules() if isinstance(m, torch.nn.BatchNorm1d)):
            for part in (norm.weight, norm.bias, norm.running_mean):
                part.normal_()
            norm.running_var.uniform_(0.5, 2)
        mu, log_sigma = vae.encode(graphs)
        one_hot = torch.eye(3)[graphs.ops]
        h = [vae.init_node(torch.cat(parts)) for parts in zip(one_hot, graphs.attributes)]
        neighbors = [[1, 2], [0], [0], [4], [3]]
        for one in vae.rounds:
            edge = [one.edge_emb(h_u[None])[0] for h_u in h]
            sums = [sum(edge[v] for v in around) for around in neighbors]
            h = [one.update(torch.cat([h_u, m])[None])[0] for h_u, m in zip(h, sums)]
        torch.testing.assert_close(mu, torch.stack([vae.mu(h_u) for h_u in h]))
        torch.testing.assert_close(log_sigma, torch.stack([vae.log_sigma(h_u) for h_u in h]))


def test_kl_against_monte_carlo():
    vae, graphs = _vae_and_graphs()
    with torch.no_grad():
        mu, log_sigma = vae.encode(graphs)
        posterior = torch.distributions.Normal(mu, log_sigma.exp())
        prior = torch.distributions.Normal(0.0, 1.0)
        kl = torch.distributions.kl_divergence(posterior, prior).sum() / 2
        elbo = vae.elbo(graphs)
        torch.testing.assert_close(elbo.kl, kl)
        assert elbo.attribute_log_likelihood == 0


def test_a_graph_counts_as_it_does_alone():
    vae, graphs = _vae_and_graphs(n_attributes=1)
    both = vae.elbo(graphs)
    alone = [vae.elbo(graphs.take(torch.tensor([k]))) for k in range(2)]
    for together, first, second in zip(both, *alone):
        torch.testing.assert_close(together, (first + second) / 2)


def test_a_draw_of_pairs_estimates_the_likelihood_of_all():
    vae, graphs = _vae_and_graphs()
    with torch.no_grad():
        whole = vae.elbo(graphs).edge_log_likelihood
        draws = [vae.elbo(graphs, max_pairs=3).edge_log_likelihood for _ in range(2000)]
    spread = torch.stack(draws).std() / len(draws) ** 0.5
    assert abs(torch.stack(draws).mean() - whole) < 4 * spread


def test_a_hidden_node_tells_the_encoder_nothing_of_itself():
    vae, graphs = _vae_and_graphs(n_attributes=2)
    hidden = torch.tensor([False, True, False, False, False])
    other = graphs.take(torch.arange(2))
    other.ops[1], other.attributes[1] = 1, 7.0
    for one, two in zip(vae.encode(graphs, hidden), vae.encode(other, hidden)):
        torch.testing.assert_close(one, two)
    assert (vae.encode(graphs)[0] != vae.encode(other)[0]).any()


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
    labels = torch.tensor([0, 1, 2, 2, 1, 0, 0])
    out = net(h, mask, x[:, :3], labels, base[None])
    z = net.summary(h, mask)
    part = net.instance_part(x[:, :3], labels, base)
    torch.testing.assert_close(out, net.combine(z, part[None], base[None]))
    # the same, as one concatenated layer per pair
    weight = torch.cat(
        [net.from_architecture.weight, net.from_instance.weight, net.from_base.weight], dim=1
    )
    one_hot = torch.tensor([0.0, 1.0, 0.0])
    pair = torch.cat([z[1], x[4, :3], one_hot, base[4]])
    hidden = torch.relu(weight @ pair + net.from_instance.bias)
    expected = (1 + net.temperature(z[1])) * base[4] + net.output(hidden)
    torch.testing.assert_close(out[1, 4], expected)


def test_residual_form_starts_at_the_base():
    net = ApproximatorNet(4, 6, 3, "attention", residual=True).eval()
    base = torch.randn(7, 3)
    mask = torch.ones(2, 3, dtype=torch.bool)
    out = net(torch.randn(2, 3, 4), mask, torch.randn(7, 5), torch.randn(7, 1), base[None])
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
    labels = torch.tensor([0, 0, 1, 0, 1])
    out = net.combine(h, net.instance_part(x[:, :2], labels), p)
    weight = torch.cat(
        [net.from_architecture.weight, net.from_instance.weight, net.from_prediction.weight], dim=1
    )
    leaky = torch.nn.functional.leaky_relu
    instance = torch.cat([x[3, :2], torch.tensor([1.0, 0.0])])
    first = leaky(weight @ torch.cat([h[1], instance, p[1, 3]]) + net.from_instance.bias)
    torch.testing.assert_close(out[1, 3], net.score(leaky(net.hidden(first)))[0])
