"""Networks that predict a trained architecture's outputs on the training instances (paper, 4.2)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def masked_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Scaled dot-product attention over the valid nodes only.

    query, key, value: (A, V, K); mask: (A, V) bool; returns (A, V, K). Paper, Eq. 5.
    """
    logits = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])  # (A, V, V)
    logits = logits.masked_fill(~mask.unsqueeze(1), -torch.inf)
    return torch.softmax(logits, dim=-1) @ value


class AttentionSummary(nn.Module):
    """The paper's transformer block over BFS-ordered nodes; returns the last node's vector.

    In the paper's symbols: ``att = W_c softmax(Q K^T / sqrt(8)) V``, ``a = LN(att + h)``,
    ``z = LN(a + W2 ReLU(W1 a))``, W1 (D x 64); the summary is z of the last node.
    """

    def __init__(self, latent_dim: int, key_dim: int = 8, feedforward_dim: int = 64):
        super().__init__()
        self.query = nn.Linear(latent_dim, key_dim, bias=False)
        self.key = nn.Linear(latent_dim, key_dim, bias=False)
        self.value = nn.Linear(latent_dim, key_dim, bias=False)
        self.w_c = nn.Linear(key_dim, latent_dim, bias=False)
        self.norm_attention = nn.LayerNorm(latent_dim)
        self.w_1 = nn.Linear(latent_dim, feedforward_dim)
        self.w_2 = nn.Linear(feedforward_dim, latent_dim)
        self.norm_output = nn.LayerNorm(latent_dim)

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:  # (A, V, D), (A, V) -> (A, D)
        att = self.w_c(masked_attention(self.query(h), self.key(h), self.value(h), mask))
        a = self.norm_attention(att + h)
        z = self.norm_output(a + self.w_2(torch.relu(self.w_1(a))))
        return z[:, -1]  # missing nodes stand at the front


class FeedForwardSummary(nn.Module):
    """The paper's first ablation: a feed-forward net of the mean node."""

    def __init__(self, latent_dim: int, hidden_dim: int = 64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, latent_dim)
        )

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:  # (A, V, D), (A, V) -> (A, D)
        weight = mask.unsqueeze(-1).to(h.dtype)
        return self.layers((h * weight).sum(1) / weight.sum(1))


class LSTMSummary(nn.Module):
    """The paper's second ablation: the state of an LSTM after the last node."""

    def __init__(self, latent_dim: int):
        super().__init__()
        self.lstm = nn.LSTM(latent_dim, latent_dim, batch_first=True)

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:  # (A, V, D), (A, V) -> (A, D)
        lengths = mask.sum(1)
        # padding stands at the front, packing wants it at the back
        shift = torch.arange(h.shape[1], device=h.device) + (h.shape[1] - lengths).unsqueeze(1)
        shift = shift.remainder(h.shape[1])
        h = h.gather(1, shift.unsqueeze(-1).expand_as(h))
        packed = nn.utils.rnn.pack_padded_sequence(
            h, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        _, (state, _) = self.lstm(packed)
        return state[-1]


SUMMARIES = {
    "attention": AttentionSummary,
    "feedforward": FeedForwardSummary,
    "lstm": LSTMSummary,
}


class ApproximatorNet(nn.Module):
    """Outputs of A architectures on n instances, with no pair ever laid out before the last layer.

    The hidden layer of ``[z_a, v_i]`` splits into ``W_z z_a + W_v v_i``: the second part depends on
    the instance alone and can be computed once (`instance_part`).

    Parameters
    ----------
    latent_dim, n_features, n_outputs : int
        D, the instances' input width F (with the labels' C one-hot columns behind, or the one of a
        target, where `residual`), and C.
    summary : {"attention", "feedforward", "lstm"}
    residual : bool
        Predict ``t(z) base_i + g(z, v_i)`` with a known base log-probability (or base output), t=1
        and g=0 at the start, instead of g alone.
    hidden_dim, dropout : int, float
        Of the feed-forward net (paper D.3: 256, 0.3).
    """

    def __init__(
        self,
        latent_dim: int,
        n_features: int,
        n_outputs: int,
        summary: str,
        residual: bool,
        hidden_dim: int = 256,
        dropout: float = 0.3,
    ):
        super().__init__()
        self.residual = residual
        self.summary = SUMMARIES[summary](latent_dim)
        self.from_architecture = nn.Linear(latent_dim, hidden_dim, bias=False)
        self.from_instance = nn.Linear(n_features, hidden_dim)
        self.from_base = nn.Linear(n_outputs, hidden_dim, bias=False) if residual else None
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_dim, n_outputs)
        if residual:
            self.temperature = nn.Linear(latent_dim, 1)
            for layer in (self.temperature, self.output):  # start at the base itself
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def instance_part(self, features: Tensor, labels: Tensor | None, base: Tensor | None) -> Tensor:
        """What of the hidden layer depends on instances alone, (n, hidden).

        features (n, F); labels (n,) int64 classes, (n, 1) float targets, or None without
        `residual`; base (n, C) or (A, n, C), then the result has A in front.
        """
        hidden = labelled_linear(self.from_instance, features, labels)
        return hidden if self.from_base is None else hidden + self.from_base(base)

    def combine(self, z: Tensor, hidden: Tensor, base: Tensor | None) -> Tensor:
        """Outputs (A, n, C) of z (A, D), hidden (A or 1, n, H) and base (A or 1, n, C)."""
        hidden = (hidden + self.from_architecture(z).unsqueeze(1)).relu_()
        return self._last(z, self.output(hidden), base)

    def forward(self, h, mask, features, labels, base):
        """As `instance_part` for h (A, V, D), mask (A, V), base (A or 1, n, C) -> (A, n, C).

        In training dropout takes the same hidden units of an instance from all architectures.
        """
        z = self.summary(h, mask)
        hidden = labelled_linear(self.from_instance, features, labels)
        kept = 1.0
        if self.training and self.dropout.p > 0:
            kept -= self.dropout.p
            hidden = hidden.masked_fill(torch.rand_like(hidden) >= kept, -torch.inf)  # relu: 0
        of_arch = self.from_architecture(z).unsqueeze(1)  # (A, 1, hidden)
        if base is None:
            hidden = hidden + of_arch
        else:
            assert self.from_base is not None  # there are base outputs
            # both sums by one product: the arrays (A, n, hidden) are what a step spends its time on
            base = base.expand(len(z), -1, -1)
            ones = base.new_ones(*base.shape[:2], 1)
            weight = self.from_base.weight.T.expand(len(z), -1, -1)
            weight = torch.cat([weight, of_arch], dim=1)
            hidden = torch.baddbmm(hidden.unsqueeze(0), torch.cat([base, ones], dim=2), weight)
        out = F.linear(hidden.relu_(), self.output.weight / kept, self.output.bias)
        return self._last(z, out, base)

    def _last(self, z, out, base):
        return out + (1 + self.temperature(z)).unsqueeze(1) * base if self.residual else out


def labelled_linear(layer: nn.Linear, features: Tensor, labels: Tensor | None) -> Tensor:
    """``layer([features, one-hot labels])`` with no label laid out: (n, F) -> (n, hidden).

    labels are (n,) int64 classes, (n, 1) float targets, or None; features any float type.
    """
    features = features.to(layer.weight.dtype)
    if labels is None:
        return layer(features)
    of_features, of_labels = layer.weight.split(
        [features.shape[1], layer.in_features - features.shape[1]], dim=1
    )
    out = F.linear(features, of_features, layer.bias)
    if labels.dtype == torch.int64:
        return out + F.embedding(labels, of_labels.T)
    return out + F.linear(labels, of_labels)


def split_padding(embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Node sequences with NaN for missing nodes -> zeros there, and the mask: (A, V, D), (A, V)."""
    mask = ~torch.isnan(embeddings[..., 0])
    return torch.nan_to_num(embeddings, nan=0.0), mask
