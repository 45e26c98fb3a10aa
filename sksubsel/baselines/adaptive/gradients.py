"""Gradients of the loss in the last layer, one for each instance, kept as two factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from sksubsel.samplers.facility import chunks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["GradientRecorder", "LastLayerGradients", "last_linear"]


class LastLayerGradients:
    """Gradients ``g_i = r_i (x) [h_i, 1]`` of N instances, never multiplied out.

    The derivative of an instance's loss with respect to weights and bias of a linear layer
    ``z = W h + b`` is the outer product of ``r_i``, its derivative with respect to z, and the
    layer's input with a one appended. For cross-entropy of softmax(z), ``r_i = p_i - onehot(y_i)``.
    Inner products factorise, ``<g_i, g_j> = <r_i, r_j> (<h_i, h_j> + 1)``, so that N gradients take
    N (C + H) numbers and not N C (H + 1).

    Parameters
    ----------
    residual : array-like of shape (N, C)
        r, the derivatives with respect to the layer's outputs.
    hidden : array-like of shape (N, H) or None, default=None
        h, the layer's inputs. None: the gradient of the bias alone, ``g_i = r_i``.
    logits : array-like of shape (N, C) or None, default=None
        z, which GLISTER needs besides.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.adaptive import LastLayerGradients
    >>> proba, y, hidden = np.array([[0.8, 0.2], [0.4, 0.6]]), [0, 0], np.array([[1.0], [2.0]])
    >>> gradients = LastLayerGradients(proba - np.eye(2)[y], hidden)
    >>> len(gradients), gradients.shape
    (2, (2, 2))
    >>> gradients.squared_norms().round(3)
    array([0.16, 3.6 ])
    """

    def __init__(
        self, residual: ArrayLike, hidden: ArrayLike | None = None, logits: ArrayLike | None = None
    ):
        self.residual = _matrix(residual, "residual")
        self.hidden = None if hidden is None else _matrix(hidden, "hidden")
        self.logits = None if logits is None else _matrix(logits, "logits")
        for name, other in (("hidden", self.hidden), ("logits", self.logits)):
            if other is not None and len(other) != len(self.residual):
                raise ValueError(
                    f"{name} must have a row for each of the {len(self.residual)} instances of "
                    f"residual; got shape {other.shape}"
                )

    def __len__(self):
        return len(self.residual)

    @property
    def shape(self) -> tuple[int, int]:
        """(C, H + 1) of one gradient as a matrix; (C, 1) for the bias alone."""
        return self.residual.shape[1], 1 if self.hidden is None else self.hidden.shape[1] + 1

    def take(self, rows: Any) -> LastLayerGradients:
        """The gradients of some rows, copied."""
        others = (self.hidden, self.logits)
        hidden, logits = (None if part is None else part[rows] for part in others)
        return LastLayerGradients(self.residual[rows], hidden, logits)

    def bias_only(self) -> LastLayerGradients:
        """The same without the layer's weights, sharing memory."""
        return LastLayerGradients(self.residual, None, self.logits)

    def gram(self, rows: Any, others: Any) -> np.ndarray:
        """Inner products of gradients of some rows with those of others: (n, m) float64."""
        product = _f64(self.residual[rows]) @ _f64(self.residual[others]).T
        if self.hidden is not None:
            product *= _f64(self.hidden[rows]) @ _f64(self.hidden[others]).T + 1
        return product

    def squared_norms(self, rows: Any = slice(None)) -> np.ndarray:
        """``||g_i||^2`` of some rows: (n,) float64."""
        residual = self.residual[rows]
        norms = np.einsum("nc,nc->n", residual, residual, dtype=np.float64)
        if self.hidden is not None:
            hidden = self.hidden[rows]
            norms *= np.einsum("nh,nh->n", hidden, hidden, dtype=np.float64) + 1
        return norms

    def distances(self, rows: Any, others: Any) -> np.ndarray:
        """Euclidean distances of gradients of some rows and of others: (n, m) float32.

        Time O(n m (C + H)), memory O(n m) and a chunk of 32 MB.
        """
        out = np.empty((len(rows), len(others)), dtype=np.float32)
        norms, other_norms = self.squared_norms(rows), self.squared_norms(others)
        for part in chunks(*out.shape):
            squared = -2 * self.gram(rows[part], others)
            squared += norms[part, None] + other_norms
            out[part] = np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
        return out

    def total(self, rows: Any = None, weights: ArrayLike | None = None) -> np.ndarray:
        """Weighted sum of the gradients of some rows (all), as a matrix: float64 (C, H + 1)."""
        residual = self.residual if rows is None else self.residual[rows]
        if weights is not None:
            residual = residual * np.asarray(weights)[:, None]
        result = np.empty(self.shape)
        if self.hidden is not None:
            result[:, :-1] = residual.T @ (self.hidden if rows is None else self.hidden[rows])
        result[:, -1] = residual.sum(axis=0, dtype=np.float64)
        return result

    def dot(self, matrix: np.ndarray) -> np.ndarray:
        """Inner products of all gradients with one matrix (C, H + 1): (N,) float64.

        Time O(N C H), memory a chunk.
        """
        if self.hidden is None:
            return _f64(self.residual @ self.shift(matrix))
        result = np.empty(len(self))
        for part in chunks(len(self), self.shape[0]):
            result[part] = np.einsum(
                "nc,nc->n", self.residual[part], self.shift(matrix, part), dtype=np.float64
            )
        return result

    def shift(self, matrix: np.ndarray, part: Any = slice(None)) -> np.ndarray:
        """``M [h_i, 1]``, how logits move by M (C, H + 1) added to the layer: (n, C)."""
        matrix = matrix.astype(self.residual.dtype)
        if self.hidden is None:
            return matrix[:, 0]
        return self.hidden[part] @ matrix[:, :-1].T + matrix[:, -1]


class GradientRecorder:
    """Runs batches through a module and keeps what the gradients of its last layer consist of.

    The layer's input h and output z are noted as they pass, and the loss is differentiated with
    respect to z by autograd: so r is right for whatever comes after the layer (softmax,
    log-softmax, nothing) and for any loss that is a sum over instances. No gradient of a weight is
    computed; the cost is that of a prediction.

    Parameters
    ----------
    module : nn.Module
        Put in evaluation mode for the time, and left in the mode it was in.

    Raises
    ------
    ValueError
        If there is no linear layer, or it isn't applied once to one vector for each instance.
    """

    def __init__(self, module):
        self.module, self.layer = module, last_linear(module)
        self._z = None
        self._parts: tuple[list, list, list] = ([], [], [])

    def __enter__(self):
        self._was_training = self.module.training
        self._frozen = [p for p in self.module.parameters() if p.requires_grad]
        for parameter in self._frozen:
            parameter.requires_grad_(False)
        self.module.eval()
        self._handle = self.layer.register_forward_hook(self._note)
        return self

    def __exit__(self, *_):
        self._handle.remove()
        self.module.train(self._was_training)
        for parameter in self._frozen:
            parameter.requires_grad_(True)
        self._z = None

    def _note(self, layer, args, output):
        if self._z is not None or args[0].ndim != 2:
            raise ValueError(
                "gradients of the last layer need a module whose last nn.Linear is applied once "
                f"to one vector for each instance; {layer} got an input of shape "
                f"{tuple(args[0].shape)}" + (" a second time" if self._z is not None else "")
            )
        self._h = args[0].detach()
        self._z = output.detach().requires_grad_()
        return self._z

    def add(self, forward, total_loss):
        """One batch: ``forward() -> output`` runs the module, ``total_loss(output)`` a sum."""
        with torch.enable_grad():
            self._z = None
            loss = total_loss(forward())
            if self._z is None:
                raise ValueError(f"the last nn.Linear of the module, {self.layer}, isn't used")
            (residual,) = torch.autograd.grad(loss, self._z)
        for part, tensor in zip(self._parts, (residual, self._h, self._z)):
            part.append(tensor.detach().float().cpu())
        self._z = None

    def gradients(self):
        """What was recorded, in the order of the batches."""
        return LastLayerGradients(*(torch.cat(part).numpy() for part in self._parts))


def last_linear(module):
    """The ``nn.Linear`` that was registered last."""
    layers = [part for part in module.modules() if isinstance(part, nn.Linear)]
    if not layers:
        raise ValueError(
            "gradients of the last layer need a module with an nn.Linear; "
            f"{type(module).__name__} has none"
        )
    return layers[-1]


def _matrix(array, name):
    array = np.asarray(array)
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (N, ...) with two axes; got {array.shape}")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    return array


def _f64(array):
    return array.astype(np.float64, copy=False)
