"""Graph variational autoencoder of architectures (paper, section 4.1 and appendix D.3)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sksubsel.nn.graph import PackedGraphs, parts

_ATTRIBUTE_PRECISION = 10.0
_CHUNK = 65536  # nodes at a time where nothing is learned


def _two_layers(n_in: int, n_hidden: int, n_out: int, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(n_in, n_hidden)]
    if norm:
        layers.append(nn.BatchNorm1d(n_hidden))
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(n_hidden, n_out))


class MessagePassing(nn.Module):
    """One round ``h_u <- Update(h_u, sum_{v in N(u)} EdgeEmb(h_v))`` (paper, Eq. 4).

    Both networks end and begin with a linear map, and neighbours are summed between, so that up
    to five products with all nodes' vectors would follow one another with nothing but sums between.
    The maps are multiplied with one another first, which leaves three. A node's vector is never
    written out for that, but as what goes into the last linear map before it.
    """

    def __init__(self, n_hidden: int):
        super().__init__()
        self.edge_emb = _two_layers(n_hidden, n_hidden, n_hidden, norm=True)
        self.update = _two_layers(2 * n_hidden, n_hidden, n_hidden, norm=True)

    def forward(self, graphs: PackedGraphs, r: Tensor, last: nn.Linear) -> Tensor:
        """From r (M, n_hidden), where h is ``last(r)``, to the next r, of ``self.last``."""
        to_edge, edge_norm, edge_out = _parts(self.edge_emb)
        to_update, update_norm, _ = _parts(self.update)
        own, from_sum = to_update.weight.split(to_update.in_features // 2, dim=1)
        edge = F.relu(edge_norm(_product(r, last, to_edge.weight, to_edge.bias)))
        message = F.linear(graphs.neighbor_sum(edge), from_sum @ edge_out.weight)
        message = message + graphs.degrees[:, None] * (from_sum @ edge_out.bias)
        return F.relu(update_norm(_product(r, last, own, to_update.bias) + message))

    @property
    def last(self) -> nn.Linear:
        """The linear map that makes h of what `forward` returns."""
        return _parts(self.update)[-1]


def _parts(layers: Any) -> tuple[nn.Linear, nn.Module, nn.Linear]:
    """Linear map, normalisation and last linear map of `_two_layers`."""
    first, norm, _, last = layers
    return first, norm, last


def _product(r: Tensor, first: nn.Linear, weight: Tensor, bias: Tensor) -> Tensor:
    """``weight @ first(r) + bias`` of each row."""
    return F.linear(r, weight @ first.weight, weight @ first.bias + bias)


class Elbo(NamedTuple):
    """The evidence lower bound's parts, each the mean over graphs of a sum, in nats."""

    op_log_likelihood: Tensor
    edge_log_likelihood: Tensor
    attribute_log_likelihood: Tensor
    kl: Tensor


class GraphVAE(nn.Module):
    """Encoder and decoder of labelled DAGs whose nodes come in a topological order.

    The encoder's GNN gives mu and s of ``z_u ~ N(mu(h_u), diag exp(2 s(h_u)))``; the decoder has
    ``edge (u, v) ~ Bernoulli(sigmoid((W z_u + b) . z_v))`` for u before v, and the node's op by a
    linear layer and a softmax. In the paper W is the identity and b zero, as they are at the start
    here. Two nodes of one op with the same neighbours have the same z, and would then always be
    joined, so that cells with such a pair apart could not be rebuilt. Where nodes have attributes,
    a linear layer gives the mean of a Gaussian of variance 1/10 for them: they are standardised,
    and one that is off by a tenth of the variance shall cost half a nat.

    Parameters
    ----------
    n_ops : int
        Number of operation types.
    latent_dim, hidden_dim : int
        D, and the width of every hidden layer of the GNN.
    n_rounds : int
        K, rounds of message passing.
    n_attributes : int, default=0
        F, length of the vector of a node's attributes.
    """

    def __init__(
        self, n_ops: int, latent_dim: int, hidden_dim: int, n_rounds: int, n_attributes: int = 0
    ):
        super().__init__()
        self.n_ops = n_ops
        self.init_node = _two_layers(n_ops + n_attributes, hidden_dim, hidden_dim, norm=False)
        self.rounds = nn.ModuleList(MessagePassing(hidden_dim) for _ in range(n_rounds))
        self.mu = nn.Linear(hidden_dim, latent_dim)
        self.log_sigma = nn.Linear(hidden_dim, latent_dim)
        self.op_decoder = nn.Linear(latent_dim, n_ops)
        self.edge_decoder = nn.Linear(latent_dim, latent_dim)
        nn.init.eye_(self.edge_decoder.weight)
        nn.init.zeros_(self.edge_decoder.bias)
        self.attribute_decoder = nn.Linear(latent_dim, n_attributes) if n_attributes else None

    def encode(self, graphs: PackedGraphs, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of the nodes' posteriors, each (M, D).

        `hidden` (M,), bool, are nodes of which the encoder is not told the op (it is shown the
        code 0, "unknown") nor the attributes.
        """
        ops, attributes = graphs.ops, graphs.attributes
        if hidden is not None:
            ops = ops.masked_fill(hidden, 0)
            attributes = attributes.masked_fill(hidden[:, None], 0.0)
        known = torch.cat([F.one_hot(ops, self.n_ops).to(attributes.dtype), attributes], dim=1)
        r: Tensor = self.init_node[:-1](known)
        last: Any = self.init_node[-1]
        for message_passing in self.rounds:
            r, last = message_passing(graphs, r, last), message_passing.last
        h = last(r)
        return self.mu(h), self.log_sigma(h)

    def decode(self, z: Tensor, tail: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of ops (M, n_ops) and of edges (P,) between pairs of the latent nodes (M, D)."""
        return self.op_decoder(z), (self.edge_decoder(z)[tail] * z[head]).sum(dim=-1)

    def elbo(
        self,
        graphs: PackedGraphs,
        noise: Tensor | None = None,
        hidden: Tensor | None = None,
        max_pairs: int | None = None,
    ) -> Elbo:
        """Evidence lower bound of graphs, its parts apart.

        Parameters
        ----------
        graphs : PackedGraphs
            Every edge leads to a higher node number.
        noise : Tensor of shape (M, D) or None
            Standard normal draws; None evaluates at the posterior mean.
        hidden : Tensor of shape (M,), bool, or None
            See `encode`.
        max_pairs : int or None
            Estimate the edges' likelihood from so many pairs of nodes where there are more.
        """
        mu, log_sigma = self.encode(graphs, hidden)  # (M, D)
        z = mu if noise is None else mu + log_sigma.exp() * noise
        tail, head, is_edge = graphs.pairs(max_pairs)
        op_logits, edge_logits = self.decode(z, tail, head)
        op_ll = -F.cross_entropy(op_logits, graphs.ops, reduction="sum")
        edge_ll = -F.binary_cross_entropy_with_logits(
            edge_logits, is_edge.to(z.dtype), reduction="sum"
        )
        edge_ll = edge_ll * (int(graphs.n_pairs().sum()) / len(is_edge))
        attribute_ll = torch.zeros_like(op_ll)
        if self.attribute_decoder is not None:
            error = self.attribute_decoder(z) - graphs.attributes
            attribute_ll = -0.5 * _ATTRIBUTE_PRECISION * error.square().sum()
        kl = 0.5 * (mu.square() + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum()
        return Elbo(*(part / len(graphs) for part in (op_ll, edge_ll, attribute_ll, kl)))

    @torch.no_grad()
    def mean(self, graphs: PackedGraphs) -> np.ndarray:
        """Posterior means of all nodes, (M, D) float32, some graphs at a time."""
        found = [self.encode(graphs.take(part))[0] for part in parts(graphs.sizes, _CHUNK)]
        return torch.cat(found).cpu().numpy()

    @torch.no_grad()
    def most_probable(self, graphs: PackedGraphs, z=None) -> tuple[np.ndarray, np.ndarray]:
        """Op codes (M,), and whether each of `graphs.pairs` has an edge (P,).

        Decoded from z (M, D), an array, or where it is None from the graphs' own means.
        """
        z = self.encode(graphs)[0] if z is None else torch.from_numpy(z).to(graphs.sizes.device)
        tail, head, _ = graphs.pairs()
        ops, edges = self.decode(z, tail, head)
        ops[:, 0] = -torch.inf  # "unknown" is an input, never an answer
        return ops.argmax(-1).cpu().numpy(), (edges > 0).cpu().numpy()
