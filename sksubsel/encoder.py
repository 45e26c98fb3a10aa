"""Architectures to node embeddings: the first part of SubSelNet."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sksubsel._net import epochs_of, fit_net, seeded
from sksubsel._validation import check_device, fit_context
from sksubsel.architectures import Architecture, as_architectures
from sksubsel.architectures.arrays import bfs_places
from sksubsel.nn.codec import GraphCodec, UnknownOperationWarning
from sksubsel.nn.encoder import GraphVAE
from sksubsel.nn.graph import PackedGraphs, parts
from sksubsel.nn.novelty import Novelty

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

__all__ = ["ArchitectureEncoder", "UnknownOperationWarning"]

_MAX_PAIRS = 2**19  # pairs of nodes in a batch whose edges are looked at
_MAX_REFERENCE = 10_000  # fitted architectures that novelty compares with
_CALIBRATED = range(10, 2001)  # so many architectures are embedded a second time, without some


class _NegativeElbo(nn.Module):
    """What is minimised: -ELBO of a batch, with fresh noise and a few hidden nodes each time."""

    def __init__(self, vae: GraphVAE, graphs: PackedGraphs, kl_weight: float, hide: float):
        super().__init__()
        self.vae, self.graphs, self.kl_weight, self.hide = vae, graphs, kl_weight, hide

    def forward(self, index):
        graphs = self.graphs.take(index)
        n_nodes, device = len(graphs.ops), graphs.ops.device
        noise = torch.randn(n_nodes, self.vae.mu.out_features, device=device)
        hidden = torch.rand(n_nodes, device=device) < self.hide
        elbo = self.vae.elbo(graphs, noise, hidden, _MAX_PAIRS)
        return -_objective(elbo, self.kl_weight)


def _objective(elbo, kl_weight):
    likelihood = elbo.op_log_likelihood + elbo.edge_log_likelihood + elbo.attribute_log_likelihood
    return likelihood - kl_weight * elbo.kl


class ArchitectureEncoder(TransformerMixin, BaseEstimator):
    """Graph variational autoencoder of architectures.

    A graph isomorphism network passes messages along both directions of the DAG's edges; a
    variational decoder must rebuild edges and operations from the nodes' latent vectors, so these
    hold the architecture's structure. The embedding of a node is its posterior mean. A node is its
    operation and, where there are any, its attributes (kernel, channels, activation), so that
    architectures of any spaces and sizes can be fitted together.

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
    codec_ : GraphCodec
        How architectures become what the network takes, and back.
    module_ : torch.nn.Module
        The fitted :class:`~sksubsel.nn.encoder.GraphVAE`.
    history_ : list of dict
        What each epoch recorded.
    novelty_ : Novelty
        See `novelty`.

    Notes
    -----
    With M nodes, E edges and P pairs of nodes of one architecture in all: time O(K (M D^2 + E D) +
    P D) an epoch, memory O(M + E) for the pool and O(M D) for what `transform` computes; its
    result is padded to the largest architecture. Of the pairs in a batch at most 524,288, drawn
    anew, count in training.

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
        latent_dim: int = 16,
        *,
        hidden_dim: int = 32,
        n_rounds: int = 5,
        kl_weight: float = 0.005,
        max_epochs: int | None = None,
        batch_size: int = 256,
        lr: float = 1e-2,
        callbacks: list | None = None,
        device: str | torch.device = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
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

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, archs: Iterable[Any], y: Any = None) -> Self:
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
        self.codec_ = GraphCodec().fit(archs)
        self.vocabulary_ = self.codec_.vocabulary
        self.module_, net = self._train(archs, device, seed, self.callbacks, self.verbose)
        self.history_ = epochs_of(net)
        sizes = [arch.n_nodes for arch in archs]
        self.sizes_, self.size_counts_ = np.unique(sizes, return_counts=True)
        self._fit_novelty(archs, device, seed)
        return self

    def _train(self, archs, device, seed, callbacks=None, verbose=0):
        """A graph VAE fitted to architectures, and its skorch net."""
        graphs = self.codec_.graphs(archs, device)
        with seeded(seed):
            vae = GraphVAE(
                len(self.vocabulary_) + 1, self.latent_dim, self.hidden_dim, self.n_rounds,
                self.codec_.n_attributes,
            )  # fmt: skip
        net = fit_net(
            _NegativeElbo(vae, graphs, self.kl_weight, hide=0.02),
            torch.arange(len(archs)),
            loss=lambda output, *_: output,
            max_epochs=self.max_epochs or max(10, -(-1000 // -(-len(archs) // self.batch_size))),
            batch_size=self.batch_size,
            lr=self.lr,
            optimizer="adam",
            schedule="cosine",
            gradient_clip=5.0,
            callbacks=callbacks,
            device=device,
            seed=seed,
            verbose=verbose,
            title="encoder",
            n_threads=1,
        )
        return vae.eval(), net

    def transform(self, archs: Iterable[Any]) -> np.ndarray:
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
        return _embed(self.module_, *self.codec_.pack(as_architectures(archs)))

    def reconstruct(self, archs: Any) -> list[tuple[np.ndarray, list[str]]]:
        """Each architecture decoded from its own embedding.

        Returns
        -------
        list of (adjacency, ops)
            Strictly upper triangular uint8 matrices over the nodes in topological order, and the
            nodes' operations. What is decoded need not be a valid architecture.
        """
        check_is_fitted(self)
        graphs = self.codec_.graphs(as_architectures(archs), self._device())
        found = []
        for part in parts(graphs.n_pairs(), _MAX_PAIRS):
            some = graphs.take(part)
            found += self.codec_.named(some, *self.module_.most_probable(some))
        return found

    def sample(
        self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None
    ) -> list[tuple[np.ndarray, list[str]]]:
        """Graphs decoded from the prior, their sizes as frequent as those fitted.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        list of (adjacency, ops)
            As `reconstruct` returns them; see `report` for how many are valid.
        """
        check_is_fitted(self)
        rng = check_random_state(random_state)
        weights = self.size_counts_ / self.size_counts_.sum()
        sizes = rng.choice(self.sizes_, size=n_samples, p=weights)
        z = rng.standard_normal((sizes.sum(), self.latent_dim)).astype(np.float32)
        graphs = PackedGraphs.without_edges(sizes, self._device())
        found, ends = [], np.cumsum(sizes)
        for part in parts(graphs.n_pairs(), _MAX_PAIRS):
            rows = slice(ends[part[0]] - sizes[part[0]], ends[part[-1]])
            some = graphs.take(part)
            found += self.codec_.named(some, *self.module_.most_probable(some, z[rows]))
        return found

    def report(
        self,
        archs: Iterable[Any],
        n_samples: int = 1000,
        random_state: int | np.random.RandomState | None = 0,
    ) -> dict[str, float]:
        """How well architectures are rebuilt, and what the prior holds, as graph VAEs report it.

        Parameters
        ----------
        archs : list of architectures
            To be rebuilt.
        n_samples : int, default=1000
            Graphs decoded from the prior.
        random_state : int, RandomState instance or None, default=0
            Of these.

        Returns
        -------
        dict
            ``op_accuracy``, ``edge_accuracy`` (over nodes and pairs of nodes), ``whole`` (the
            fraction of architectures rebuilt without any error), ``validity`` (of decoded prior
            samples: those that are architectures) and ``uniqueness`` (different ones among these).

        Notes
        -----
        Nodes that an encoder without numbers cannot tell apart have one embedding. Where they
        have edges to different nodes of another such pair, as in two equal branches side by side,
        nothing can rebuild the architecture: `whole` stays below 1.
        """
        check_is_fitted(self)
        graphs = self.codec_.graphs(as_architectures(archs), self._device())
        rights: tuple = ([], [])
        whole = []
        for part in parts(graphs.n_pairs(), _MAX_PAIRS):
            some = graphs.take(part)
            codes, edges = self.module_.most_probable(some)
            owner = np.repeat(np.arange(len(part)), some.sizes.cpu())
            tail, _, is_edge = (each.cpu().numpy() for each in some.pairs())
            op_right, edge_right = codes == some.ops.cpu().numpy(), edges == is_edge
            n_wrong = np.bincount(owner, ~op_right, len(part))
            n_wrong += np.bincount(owner[tail], ~edge_right, len(part))
            whole.append(n_wrong == 0)
            for right, each in zip(rights, (op_right, edge_right)):
                right.append(each)
        valid = []
        for matrix, names in self.sample(n_samples, random_state):
            try:
                valid.append(Architecture.from_matrix(matrix, names).hash)
            except ValueError:
                continue
        return {
            "op_accuracy": float(np.concatenate(rights[0]).mean()),
            "edge_accuracy": float(np.concatenate(rights[1]).mean()),
            "whole": float(np.concatenate(whole).mean()),
            "validity": len(valid) / n_samples,
            "uniqueness": len(set(valid)) / max(1, len(valid)),
        }

    def score(self, archs: Iterable[Any], y: Any = None) -> float:
        """Mean of what is maximised, in nats: the ELBO with its KL weighted by `kl_weight`.

        The likelihoods are taken at the posterior means, so that there is no noise in it.

        Parameters
        ----------
        archs : list of architectures
        y : ignored

        Returns
        -------
        float
        """
        check_is_fitted(self)
        graphs = self.codec_.graphs(as_architectures(archs), self._device())
        total = 0.0
        with torch.no_grad():
            for part in parts(graphs.n_pairs(), _MAX_PAIRS):
                elbo = self.module_.elbo(graphs.take(part))
                total += len(part) * float(_objective(elbo, self.kl_weight))
        return total / len(graphs)

    def novelty(self, archs: Any) -> np.ndarray:
        """How unlike the fitted architectures each one is.

        The distance of the mean embedding to the nearest fitted one, in units of a limit that one
        in a hundred architectures drawn like those fitted would exceed. The limit is found on a
        fifth of them (of few, up to a half), held out from a second encoder fitted for that. With
        fewer than 10 or more than 2,000 fitted it is found on all, each left out in turn.
        Operations and attributes not seen in `fit` have no embedding of their own, and a mean over
        nodes does not tell their number: an architecture with such ones counts as 1 more, and one
        that is 2^k times larger or smaller than all fitted as k more.

        Returns
        -------
        ndarray of shape (A,), float64
        """
        check_is_fitted(self)
        archs = as_architectures(archs)
        return self.novelty_of(archs, self.transform(archs))

    def novelty_of(self, archs: Sequence[Architecture], embeddings: np.ndarray) -> np.ndarray:
        """What `novelty` says of architectures whose embeddings are known.

        Parameters
        ----------
        archs : list of Architecture
        embeddings : ndarray of shape (A, V, D)
            What `transform` has given for them.

        Returns
        -------
        ndarray of shape (A,)
        """
        size = np.log2([arch.n_nodes for arch in archs])
        beyond = np.abs(size - size.clip(*np.log2(self.sizes_[[0, -1]])))
        return self.novelty_(_mean_node(embeddings)) + self.codec_.strange(archs) + beyond

    def _fit_novelty(self, archs, device, seed):
        rng = np.random.default_rng(seed)
        if len(archs) > _MAX_REFERENCE:
            chosen = rng.choice(len(archs), _MAX_REFERENCE, replace=False)
            archs = [archs[i] for i in np.sort(chosen)]
        held_out = None
        if len(archs) in _CALIBRATED:
            order = rng.permutation(len(archs)).tolist()
            n_out = max(len(archs) // 5, min(20, len(archs) // 2))
            out, kept = ([archs[i] for i in part] for part in (order[:n_out], order[n_out:]))
            module, _ = self._train(kept, device, seed)
            new, known = (_mean_node(_embed(module, *self.codec_.pack(a))) for a in (out, kept))
            held_out = Novelty(known).relative(new)
        self.novelty_ = Novelty(_mean_node(self.transform(archs)), held_out)

    def _device(self):
        return next(self.module_.parameters()).device


def _embed(module, packed, attributes) -> np.ndarray:
    """What `ArchitectureEncoder.transform` returns, by a graph VAE."""
    n_nodes = packed.sizes.max()
    place = bfs_places(packed) + np.repeat(n_nodes - packed.sizes, packed.sizes)
    graphs = PackedGraphs.of(packed, attributes, next(module.parameters()).device)
    mean = module.mean(graphs)
    out = np.full((len(packed.sizes), n_nodes, mean.shape[1]), np.nan, dtype=np.float32)
    out[packed.owners, place] = mean
    return out


def _mean_node(embeddings: np.ndarray) -> np.ndarray:
    """Mean over an architecture's nodes, (A, V, D) -> (A, D), NaN left out."""
    return np.nanmean(embeddings, axis=1)
