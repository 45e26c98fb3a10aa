"""Training of DARTS's mixed network: weights on one half of the data, parameters on the other."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from sksubsel._net import seeded
from sksubsel.networks.darts_supernet import DARTSSupernet
from sksubsel.search.bilevel import first_order_gradient, second_order_gradient

__all__ = ["SupernetTraining"]

_PREDICT_BATCH = 512
_BETAS = (0.5, 0.999)  # of the parameters' optimiser, as in the original


class SupernetTraining:
    """The network, its two optimisers and the random numbers, all that an epoch changes.

    Parameters
    ----------
    X : float32 Tensor of shape (N, channels, height, width)
    y : int64 Tensor of shape (N,)
    n_classes : int
    settings : dict
        Parameters of `DARTSSearch`.
    seed : int
    """

    def __init__(self, X, y, n_classes, settings, seed):
        self.X, self.y, self.settings = X.to(settings["device"]), y.to(settings["device"]), settings
        with seeded(seed):
            self.network = DARTSSupernet(
                tuple(X.shape[1:]), n_classes,
                stem_channels=settings["stem_channels"], n_layers=settings["n_layers"],
            ).to(settings["device"])  # fmt: skip
        self.generator = torch.Generator().manual_seed(seed)
        self.weights = self.network.weights()
        self.alphas = list(self.network.alphas.parameters())
        self.optimizer = torch.optim.SGD(
            self.weights, settings["lr"], settings["momentum"],
            weight_decay=settings["weight_decay"],
        )  # fmt: skip
        self.arch_optimizer = torch.optim.Adam(
            self.alphas, settings["arch_lr"], _BETAS, weight_decay=settings["arch_weight_decay"]
        )

    def operation_weights(self) -> dict:
        """Share of each operation on each edge, float32 (14, 8) of each kind of cell."""
        with torch.no_grad():
            return {
                name: alpha.softmax(dim=1).cpu().numpy()
                for name, alpha in self.network.alphas.items()
            }

    def epoch(self, epoch, train_rows, valid_rows, sample_weight) -> float:
        """One pass over the rows that the weights are trained on, a step of the parameters each.

        Parameters
        ----------
        epoch : int
            From 0, for the learning rate.
        train_rows, valid_rows : int64 Tensors
        sample_weight : float32 Tensor of shape (N,) or None

        Returns
        -------
        float
            Mean loss of the weights' steps.
        """
        settings = self.settings
        low = settings["min_lr"]
        cosine = math.cos(math.pi * epoch / settings["max_epochs"])
        lr = low + (settings["lr"] - low) * (1 + cosine) / 2
        self.optimizer.param_groups[0]["lr"] = lr
        self.network.train()
        train_batches = self._batches(train_rows)
        valid_batches: list = []
        total = 0.0
        for rows in train_batches:
            if not valid_batches:
                valid_batches = self._batches(valid_rows)
            valid = valid_batches.pop()
            self._step_alphas(rows, valid, sample_weight, lr)
            self.optimizer.zero_grad(set_to_none=True)
            loss = self._loss(rows, sample_weight)
            for weight, grad in zip(self.weights, torch.autograd.grad(loss, self.weights)):
                weight.grad = grad
            if settings["gradient_clip"] is not None:
                torch.nn.utils.clip_grad_norm_(self.weights, settings["gradient_clip"])
            self.optimizer.step()
            total += float(loss.detach()) * len(rows)
        mean = total / len(train_rows)
        if mean != mean:
            raise FloatingPointError(
                f"the training loss became NaN in epoch {epoch + 1}; a smaller lr (now "
                f"{settings['lr']}) usually helps"
            )
        return mean

    def evaluate(self, rows) -> tuple[float, float]:
        """Mean loss and accuracy of the mixture on some rows."""
        self.network.eval()
        loss = n_right = 0.0
        with torch.no_grad():
            for part in rows.tensor_split(-(-len(rows) // _PREDICT_BATCH)):
                logits, y = self.network(self.X[part]), self.y[part]
                loss += float(F.cross_entropy(logits, y, reduction="sum"))
                n_right += int((logits.argmax(dim=1) == y).sum())
        return loss / len(rows), n_right / len(rows)

    def state(self) -> dict:
        """All that the next epoch depends on."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "arch_optimizer": self.arch_optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load(self, state) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.arch_optimizer.load_state_dict(state["arch_optimizer"])
        self.generator.set_state(state["generator"])

    def _batches(self, rows):
        """Rows in random order, in parts that differ by at most one in size."""
        order = rows[torch.randperm(len(rows), generator=self.generator)]
        n_batches = -(-len(rows) // self.settings["batch_size"])
        n_batches = max(1, min(n_batches, len(rows) // 2))  # one image breaks batch normalisation
        return list(torch.tensor_split(order, n_batches))

    def _loss(self, rows, sample_weight):
        logits, y = self.network(self.X[rows]), self.y[rows]
        if sample_weight is None:
            return F.cross_entropy(logits, y)
        return (F.cross_entropy(logits, y, reduction="none") * sample_weight[rows]).mean()

    def _step_alphas(self, rows, valid, sample_weight, lr):
        def valid_loss():
            return self._loss(valid, sample_weight)

        if self.settings["order"] == "first":
            grads = first_order_gradient(valid_loss, self.alphas)
        else:
            state = self.optimizer.state
            buffers = [state[w].get("momentum_buffer") for w in self.weights]
            grads = second_order_gradient(
                lambda: self._loss(rows, sample_weight),
                valid_loss,
                self.weights,
                self.alphas,
                lr=lr,
                buffers=None if buffers[0] is None else buffers,
                momentum=self.settings["momentum"],
                weight_decay=self.settings["weight_decay"],
            )
        for alpha, grad in zip(self.alphas, grads):
            alpha.grad = grad
        self.arch_optimizer.step()
