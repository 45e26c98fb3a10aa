"""Graph variational autoencoder of architectures (paper, section 4.1 and appendix D.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sksubsel.nn.graph import PackedGraphs


def _two_layers(n_in: int, n_hidden: int, n_out: int, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(n_in, n_hidden)]
    if norm:
        layers.append(nn.BatchNorm1d(n_hidden))
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(n_hidden, n_out))


class MessagePassing(nn.Module):
    """One round ``h_u <- Update(h_u, sum_{v in N(u)} EdgeEmb(h_v))`` (paper, Eq. 4)."""

    def __init__(self, n_hidden: int):
        super().__init__()
        self.edge_emb = _two_layers(n_hidden, n_hidden, n_hidden, norm=True)
        self.update = _two_layers(2 * n_hidden, n_hidden, n_hidden, norm=True)

    def forward(self, graphs: PackedGraphs, h: Tensor) -> Tensor:  # (M, n_hidden)
        message = graphs.neighbor_sum(self.edge_emb(h))
        return self.update(torch.cat([h, message], dim=-1))


class Elbo(NamedTuple):
    """The evidence lower bound's parts, each the mean over graphs of a sum, in nats."""

    op_log_likelihood: Tensor
    edge_log_likelihood: Tensor
    kl: Tensor


class GraphVAE(nn.Module):
    """Encoder and decoder of labelled DAGs whose nodes come in a topological order.

    The encoder's GNN gives mu and s of ``z_u ~ N(mu(h_u), diag exp(2 s(h_u)))``; the decoder has
    ``edge (u, v) ~ Bernoulli(sigmoid(z_u . z_v))`` for u before v, and the node's op by a linear
    layer and a softmax.

    Parameters
    ----------
    n_ops : int
        Number of operation types.
    latent_dim, hidden_dim : int
        D, and the width of every hidden layer of the GNN.
    n_rounds : int
        K, rounds of message passing.
    """

    def __init__(self, n_ops: int, latent_dim: int, hidden_dim: int, n_rounds: int):
        super().__init__()
        self.n_ops = n_ops
        self.init_node = _two_layers(n_ops, hidden_dim, hidden_dim, norm=False)
        self.rounds = nn.ModuleList(MessagePassing(hidden_dim) for _ in range(n_rounds))
        self.mu = nn.Linear(hidden_dim, latent_dim)
        self.log_sigma = nn.Linear(hidden_dim, latent_dim)
        self.op_decoder = nn.Linear(latent_dim, n_ops)

    def encode(self, graphs: PackedGraphs, ops: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of the nodes' posteriors, each (M, D), from ops (M,)."""
        h = self.init_node(F.one_hot(ops, self.n_ops).float())
        for message_passing in self.rounds:
            h = message_passing(graphs, h)
        return self.mu(h), self.log_sigma(h)

    def decode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of ops (A, V, n_ops) and of edges (A, V, V) from latent nodes (A, V, D)."""
        return self.op_decoder(z), z @ z.transpose(1, 2)

    def elbo(
        self,
        ops: Tensor,
        adjacency: Tensor,
        noise: Tensor | None = None,
        hidden: Tensor | None = None,
        backend: str = "auto",
    ) -> Elbo:
        """Evidence lower bound of padded graphs, its three parts apart.

        Parameters
        ----------
        ops : Tensor of shape (A, V), int64
            -1 where there is no node; such places count in nothing.
        adjacency : Tensor of shape (A, V, V), bool
            Strictly upper triangular.
        noise : Tensor of shape (A, V, D) or None
            Standard normal draws; None evaluates at the posterior mean.
        hidden : Tensor of shape (A, V), bool, or None
            Nodes whose op the encoder is shown as code 0 ("unknown") and must infer.
        """
        graphs = PackedGraphs(ops, adjacency, backend)
        shown = graphs.ops if hidden is None else graphs.ops.masked_fill(hidden[graphs.mask], 0)
        mu, log_sigma = self.encode(graphs, shown)  # (M, D)
        z = mu if noise is None else mu + log_sigma.exp() * noise[graphs.mask]
        op_logits, edge_logits = self.decode(graphs.unpack(z))
        n_graphs = len(ops)
        op_ll = -F.cross_entropy(op_logits[graphs.mask], graphs.ops, reduction="sum")
        pairs = pair_mask(graphs.mask)
        edge_ll = -F.binary_cross_entropy_with_logits(
            edge_logits[pairs], adjacency[pairs].float(), reduction="sum"
        )
        kl = 0.5 * (mu.square() + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum()
        return Elbo(op_ll / n_graphs, edge_ll / n_graphs, kl / n_graphs)


def pair_mask(mask: Tensor) -> Tensor:
    """The pairs (u before v) of valid nodes, (A, V) -> (A, V, V) bool."""
    both = mask.unsqueeze(2) & mask.unsqueeze(1)
    return torch.triu(both, diagonal=1)
