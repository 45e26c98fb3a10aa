"""The inductive scorer pi_psi (paper, section 4.3) and its objective (Eq. 10)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sksubsel.nn.approximator import labelled_linear


class ScorerNet(nn.Module):
    """Three layers, ``[mean_u h_u, x_i, y_i, p_i, l_i] -> logit of a score in (0, 1)``.

    Leaky-ReLU twice and a sigmoid last; the logit is returned because log-sigmoid of it is what
    sampling needs. The loss l_i = -log p_i[y_i] is a function of the paper's own inputs; given as
    such, the network need not learn a product first. The first layer splits into what depends on
    the architecture, on the instance (computed once) and on the pair.
    """

    def __init__(self, latent_dim: int, n_instance: int, n_outputs: int, hidden_dims=(64, 16)):
        super().__init__()
        first, second = hidden_dims
        self.from_architecture = nn.Linear(latent_dim, first, bias=False)
        self.from_instance = nn.Linear(n_instance, first)
        self.from_prediction = nn.Linear(n_outputs + 1, first, bias=False)
        self.hidden = nn.Linear(first, second)
        self.score = nn.Linear(second, 1)

    def instance_part(self, features: Tensor, labels: Tensor) -> Tensor:
        """First layer of what depends on instances alone, (n, hidden).

        features (n, F) and labels, (n,) int64 classes or (n, 1) float targets: n_instance is F + C
        or F + 1.
        """
        return labelled_linear(self.from_instance, features, labels)

    def combine(self, mean_h: Tensor, instance_part: Tensor, predicted: Tensor) -> Tensor:
        """Logits (A, n) from mean_h (A, D), instance_part (n, H), predicted (A, n, C + 1)."""
        first = self.from_prediction(predicted) + instance_part
        first = F.leaky_relu(first + self.from_architecture(mean_h).unsqueeze(1))
        return self.score(F.leaky_relu(self.hidden(first))).squeeze(-1)


def inductive_objective(
    logits: Tensor, losses: Tensor, lam: float, beta: float, sampling_fraction: float
) -> Tensor:
    """Inductive objective of a batch of instances, the mean over architectures.

    The paper's Eq. 10. With scores ``pi = sigmoid(logits)`` and the draw's distribution
    ``p_i = pi_i / sum_j pi_j``: ``sum_i p_i l_i - lam H(p) + beta (mean_i pi_i / (B / N) - 1)^2``.
    H is taken relative to the uniform distribution of the batch (H - log n), so that the value
    means the same for any batch.

    Parameters
    ----------
    logits, losses : Tensor of shape (A, n)
    lam, beta : float
        Weights of the entropy and of the budget regulariser.
    sampling_fraction : float
        B / N.
    """
    log_pi = F.logsigmoid(logits)
    log_p = log_pi - torch.logsumexp(log_pi, dim=-1, keepdim=True)  # (A, n)
    p = log_p.exp()
    entropy = -(p * log_p).sum(-1) - torch.log(torch.tensor(float(logits.shape[-1])))
    excess = log_pi.exp().mean(-1) / sampling_fraction - 1
    return ((p * losses).sum(-1) - lam * entropy + beta * excess.square()).mean()
