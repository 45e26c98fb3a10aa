"""Architectures to node embeddings: the first part of SubSelNet."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sksubsel._net import epochs_of, fit_net
from sksubsel._validation import check_device
from sksubsel.architectures import Architecture, as_architectures
from sksubsel.architectures.arrays import bfs_orders, sort_topologically, to_padded
from sksubsel.nn.encoder import GraphVAE, pair_mask
from sksubsel.nn.graph import PackedGraphs

_CHUNK = 8192  # architectures at a time where nothing is learned
_MAX_REFERENCE = 10_000  # fitted architectures that novelty compares with


class UnknownOperationWarning(UserWarning):
    """An architecture has operations that the encoder was not fitted on."""


class _NegativeElbo(nn.Module):
    """What is minimised: -ELBO of a batch, with fresh noise and a few hidden ops each time."""

    def __init__(self, vae: GraphVAE, latent_dim: int, kl_weight: float, hide: float):
        super().__init__()
        self.vae, self.latent_dim, self.kl_weight, self.hide = vae, latent_dim, kl_weight, hide

    def forward(self, batch):
        ops = batch["ops"]
        noise = torch.randn(*ops.shape, self.latent_dim, device=ops.device)
        hidden = torch.rand(ops.shape, device=ops.device) < self.hide
        elbo = self.vae.elbo(ops, batch["adjacency"], noise, hidden)
        return self.kl_weight * elbo.kl - elbo.op_log_likelihood - elbo.edge_log_likelihood


class ArchitectureEncoder(TransformerMixin, BaseEstimator):
    """Graph variational autoencoder of architectures.

    A graph isomorphism network passes messages along both directions of the DAG's edges; a
    variational decoder must rebuild edges and operations from the nodes' latent vectors, so these
    hold the architecture's structure. The embedding of a node is its posterior mean.

    Parameters
    ----------
    latent_dim : int, default=16
        D, the length of a node's embedding.
    hidden_dim : int, default=32
        Width of the hidden layers (paper: 16).
    n_rounds : int, default=5
        Rounds of message passing, K.
    kl_weight : float, default=0.005
        Weight of the KL term of the ELBO in training; 1 is the ELBO itself, under which the
        operations are not rebuilt (a node's latent vector then says less than its label).
    max_epochs : int or None, default=None
        None: as many as give about 1,000 optimiser steps, at least 10.
    batch_size : int, default=256
        Architectures per step.
    lr : float, default=1e-2
        Adam's learning rate; it follows a cosine to zero.
    callbacks : list of skorch callbacks or None, default=None
    device : str, default="cpu"
    random_state : int, RandomState instance or None, default=None
    verbose : int, default=0

    Attributes
    ----------
    vocabulary_ : tuple of str
        Operations seen in `fit`, sorted. Any other one is encoded as "unknown", with a warning.
    module_ : torch.nn.Module
        The fitted :class:`~sksubsel.nn.encoder.GraphVAE`.
    history_ : list of dict
        What each epoch recorded.

    Notes
    -----
    Time O(A E K D^2) an epoch, memory O(A V^2) for the pool (one byte an entry).

    References
    ----------
    Jain et al., NeurIPS 2023, section 4.1 and appendix D.3; the GNN follows Yan et al. (arch2vec).

    Examples
    --------
    >>> from sksubsel import ArchitectureEncoder
    >>> from sksubsel.spaces import NASBench101
    >>> archs = NASBench101().sample(20, random_state=0)
    >>> encoder = ArchitectureEncoder(max_epochs=5, random_state=0).fit(archs)
    >>> encoder.transform(archs).shape
    (20, 7, 16)
    """

    _parameter_constraints: dict = {
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "hidden_dim": [Interval(Integral, 1, None, closed="left")],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "kl_weight": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "callbacks": [list, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        latent_dim=16,
        *,
        hidden_dim=32,
        n_rounds=5,
        kl_weight=0.005,
        max_epochs=None,
        batch_size=256,
        lr=1e-2,
        callbacks=None,
        device="cpu",
        random_state=None,
        verbose=0,
    ):
        self.latent_dim = latent_dim
        self.hidden_dim = hidden_dim
        self.n_rounds = n_rounds
        self.kl_weight = kl_weight
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, archs, y=None):
        """Learn the embedding from architectures; none of them is trained.

        Parameters
        ----------
        archs : list of architectures
            Anything :func:`~sksubsel.architectures.as_architectures` takes.
        y : ignored
            A zoo may be passed, so that the encoder can stand in a Pipeline.

        Returns
        -------
        self
        """
        device = check_device(self.device)
        archs = as_architectures(archs)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.vocabulary_ = tuple(sorted({op for arch in archs for op in arch.ops}))
        ops, adjacency, _ = to_padded(archs, self.vocabulary_)
        ops, adjacency = sort_topologically(ops, adjacency)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # inside fork_rng
            vae = GraphVAE(
                len(self.vocabulary_) + 1, self.latent_dim, self.hidden_dim, self.n_rounds
            )
        net = fit_net(
            _NegativeElbo(vae, self.latent_dim, self.kl_weight, hide=0.02),
            {"ops": torch.from_numpy(ops), "adjacency": torch.from_numpy(adjacency)},
            loss=lambda output, *_: output,
            max_epochs=self.max_epochs or max(10, -(-1000 // -(-len(archs) // self.batch_size))),
            batch_size=self.batch_size,
            lr=self.lr,
            optimizer="adam",
            schedule="cosine",
            gradient_clip=5.0,
            callbacks=self.callbacks,
            device=device,
            seed=seed,
            verbose=self.verbose,
            n_threads=1,
        )
        self.module_ = vae.eval()
        self.history_ = epochs_of(net)
        self.sizes_, self.size_counts_ = np.unique((ops >= 0).sum(1), return_counts=True)
        self._fit_novelty(archs, seed)
        return self

    def transform(self, archs) -> np.ndarray:
        """Embeddings of the nodes in breadth-first order.

        Parameters
        ----------
        archs : list of architectures

        Returns
        -------
        ndarray of shape (A, V, D), float32
            V is the largest number of nodes among these architectures. A smaller one has NaN at
            the front, so that ``[:, -1]`` is every architecture's last node.

        Warns
        -----
        UnknownOperationWarning
            If an operation was not seen in `fit`.
        """
        check_is_fitted(self)
        ops, adjacency = self._arrays(as_architectures(archs))
        order = bfs_orders(ops >= 0, adjacency)
        n_missing = (order < 0).sum(axis=1, keepdims=True)
        place = (np.arange(order.shape[1]) - n_missing) % order.shape[1]  # padding to the front
        order = np.take_along_axis(order, place, axis=1)
        mu = self._mean(ops, adjacency)  # (A, V, D)
        return np.where(
            order[:, :, None] >= 0, np.take_along_axis(mu, order[:, :, None], axis=1), np.nan
        ).astype(np.float32, copy=False)

    def reconstruct(self, archs) -> list[tuple[np.ndarray, list[str]]]:
        """Each architecture decoded from its own embedding.

        Returns
        -------
        list of (adjacency, ops)
            Strictly upper triangular uint8 matrices over the nodes in topological order, and the
            nodes' operations. What is decoded need not be a valid architecture.
        """
        check_is_fitted(self)
        ops, adjacency = sort_topologically(*self._arrays(as_architectures(archs)))
        codes, edges = self._decode(self._mean(ops, adjacency), ops >= 0)
        return self._name(codes, edges)

    def sample(self, n_samples=1, random_state=None) -> list[tuple[np.ndarray, list[str]]]:
        """Graphs decoded from the prior, their sizes as frequent as those fitted.

        Returns
        -------
        list of (adjacency, ops)
            As `reconstruct` returns them; see `report` for how many are valid.
        """
        check_is_fitted(self)
        rng = check_random_state(random_state)
        weights = self.size_counts_ / self.size_counts_.sum()
        sizes = rng.choice(self.sizes_, size=n_samples, p=weights)
        mask = np.arange(self.sizes_.max()) < sizes[:, None]
        z = rng.standard_normal((*mask.shape, self.latent_dim)).astype(np.float32)
        return self._name(*self._decode(z, mask))

    def report(self, archs, n_samples=1000, random_state=0) -> dict[str, float]:
        """How well architectures are rebuilt, and what the prior holds, as graph VAEs report it.

        Returns
        -------
        dict
            ``op_accuracy``, ``edge_accuracy`` (over nodes and pairs of nodes), ``whole`` (the
            fraction of architectures rebuilt without any error), ``validity`` (of decoded prior
            samples: those that are architectures) and ``uniqueness`` (different ones among these).
        """
        check_is_fitted(self)
        ops, adjacency = sort_topologically(*self._arrays(as_architectures(archs)))
        mask = ops >= 0
        codes, edges = self._decode(self._mean(ops, adjacency), mask)
        pairs = pair_mask(torch.from_numpy(mask)).numpy()
        op_right, edge_right = (codes == ops) | ~mask, (edges == adjacency) | ~pairs
        whole = op_right.all(axis=1) & edge_right.all(axis=(1, 2))
        valid = []
        for matrix, names in self.sample(n_samples, random_state):
            try:
                valid.append(Architecture.from_matrix(matrix, names).hash)
            except ValueError:
                continue
        return {
            "op_accuracy": float(op_right[mask].mean()),
            "edge_accuracy": float(edge_right[pairs].mean()),
            "whole": float(whole.mean()),
            "validity": len(valid) / n_samples,
            "uniqueness": len(set(valid)) / max(1, len(valid)),
        }

    def score(self, archs, y=None) -> float:
        """Mean of what is maximised, in nats: the ELBO with its KL weighted by `kl_weight`.

        The likelihoods are taken at the posterior means, so that there is no noise in it.
        """
        check_is_fitted(self)
        ops, adjacency = sort_topologically(*self._arrays(as_architectures(archs)))
        with torch.no_grad():
            elbo = self.module_.elbo(torch.from_numpy(ops), torch.from_numpy(adjacency))
        return float(elbo.op_log_likelihood + elbo.edge_log_likelihood - self.kl_weight * elbo.kl)

    def novelty(self, archs) -> np.ndarray:
        """How unlike the fitted architectures each one is.

        The distance of the mean embedding to the nearest fitted one, divided by the 99th
        percentile of that distance among the fitted themselves (each left out in turn): above 1,
        an architecture lies farther out than nearly all of those fitted. Operations that were
        not seen in `fit` have no embedding of their own, so an architecture that has any is
        counted as 1 more.

        Returns
        -------
        ndarray of shape (A,), float64
        """
        check_is_fitted(self)
        archs = as_architectures(archs)
        distance, _ = self.neighbors_.kneighbors(_mean_node(self.transform(archs)), n_neighbors=1)
        strange = [not set(self.vocabulary_).issuperset(arch.ops) for arch in archs]
        return distance[:, 0] / self.novelty_scale_ + np.array(strange)

    def _fit_novelty(self, archs, seed):
        if len(archs) > _MAX_REFERENCE:
            chosen = np.random.default_rng(seed).choice(len(archs), _MAX_REFERENCE, replace=False)
            archs = [archs[i] for i in np.sort(chosen)]
        points = _mean_node(self.transform(archs))
        self.neighbors_ = NearestNeighbors().fit(points)
        spread = np.linalg.norm(points.std(axis=0))
        if len(points) > 1:
            own, _ = self.neighbors_.kneighbors(n_neighbors=1)
            spread = max(np.percentile(own, 99), 1e-3 * spread)
        self.novelty_scale_ = float(spread) or 1.0

    def _arrays(self, archs):
        ops, adjacency, unknown = to_padded(archs, self.vocabulary_)
        if unknown:
            warnings.warn(
                f"operations {sorted(unknown)} were not seen in fit and are encoded as unknown; "
                f"known are {list(self.vocabulary_)}",
                UnknownOperationWarning,
                stacklevel=3,
            )
        return ops, adjacency

    def _mean(self, ops, adjacency) -> np.ndarray:
        """Posterior means (A, V, D), zero where there is no node."""
        device = next(self.module_.parameters()).device
        out = []
        with torch.no_grad():
            for start in range(0, len(ops), _CHUNK):
                part = slice(start, start + _CHUNK)
                graphs = PackedGraphs(
                    torch.from_numpy(ops[part]).to(device),
                    torch.from_numpy(adjacency[part]).to(device),
                )
                mu, _ = self.module_.encode(graphs, graphs.ops)
                out.append(graphs.unpack(mu).cpu().numpy())
        return np.concatenate(out)

    def _decode(self, z, mask):
        """Most probable op codes (A, V), -1 behind the last, and edges (A, V, V)."""
        device = next(self.module_.parameters()).device
        with torch.no_grad():
            ops, edges = self.module_.decode(torch.from_numpy(z).to(device))
            ops[..., 0] = -torch.inf  # "unknown" is an input, never an answer
            codes = ops.argmax(-1).cpu().numpy()
            edges = (edges > 0).cpu()
        pairs = pair_mask(torch.from_numpy(mask))
        return np.where(mask, codes, -1), (edges & pairs).numpy()

    def _name(self, codes, edges):
        sizes = (codes >= 0).sum(axis=1)
        return [
            (edge[:n, :n].astype(np.uint8), [self.vocabulary_[c - 1] for c in code[:n]])
            for code, edge, n in zip(codes, edges, sizes)
        ]


def _mean_node(embeddings: np.ndarray) -> np.ndarray:
    """Mean over an architecture's nodes, (A, V, D) -> (A, D), NaN left out."""
    return np.nanmean(embeddings, axis=1)
