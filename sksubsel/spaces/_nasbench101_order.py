"""The benchmark's own order of the cells of NAS-Bench-101: by the MD5 hash of the module."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

from ._md5 import md5, to_hex
from ._nasbench101_pool import MAX_NODES, N_OPS, Pool, pool

CHUNK = 32768  # cells hashed together; peak memory grows with it
BAR, HEX_LENGTH = ord("|"), 32


@lru_cache(maxsize=1)
def benchmark_order() -> np.ndarray:
    """Positions in `pool()` of the cells in ascending order of module hash; int32 (A,).

    Computed once per process, when an index is first asked for: about 20 million MD5 digests,
    7 s on one core, 70 MB while it runs, 1.7 MB kept.
    """
    cells = pool()
    # The first half of a hash orders as the whole does: no two halves of the pool are equal.
    keys = np.empty(len(cells.edges), dtype=np.uint64)
    for start in range(0, len(keys), CHUNK):
        part = slice(start, start + CHUNK)
        keys[part] = _sort_keys(module_hashes(Pool(*(array[part] for array in cells))))
    order = np.argsort(keys, kind="stable").astype(np.int32)
    order.flags.writeable = False
    return order


@lru_cache(maxsize=1)
def benchmark_rank() -> np.ndarray:
    """Index in the benchmark's order of each cell of `pool()`; int32 (A,)."""
    rank = np.empty_like(benchmark_order())
    rank[benchmark_order()] = np.arange(len(rank), dtype=np.int32)
    rank.flags.writeable = False
    return rank


def module_hashes(cells: Pool) -> np.ndarray:
    """MD5 hash of each cell, as `graph_hash` with labels -1 (input), op codes and -2 (output).

    Parameters
    ----------
    cells : Pool
        Any part of the pool.

    Returns
    -------
    ndarray of shape (A, 16), uint8
    """
    digests = np.empty((len(cells.edges), 16), dtype=np.uint8)
    for n_nodes in np.unique(cells.n_nodes).tolist():
        rows = np.flatnonzero(cells.n_nodes == n_nodes)
        digests[rows] = _hash_equal_sizes(n_nodes, cells.edges[rows], cells.labels[rows])
    return digests


def _hash_equal_sizes(n_nodes: int, edges: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Hashes of cells of one size: all nodes of one in- and out-degree go through MD5 together."""
    adjacency = np.zeros((len(edges), n_nodes, n_nodes), dtype=bool)
    bit = 0
    for v in range(1, n_nodes):
        for u in range(v):
            adjacency[:, u, v] = edges >> np.uint32(bit) & np.uint32(1)
            bit += 1
    n_in, n_out = adjacency.sum(axis=1), adjacency.sum(axis=2)  # (cells, nodes)
    node_of = np.arange(n_in.size).reshape(n_in.shape)
    groups = []
    for kind in np.unique(n_in * (MAX_NODES + 1) + n_out).tolist():
        degrees = divmod(kind, MAX_NODES + 1)
        cell, node = np.nonzero((n_in == degrees[0]) & (n_out == degrees[1]))
        # nonzero goes row by row, so that each node's neighbours come together.
        before = np.nonzero(adjacency[cell, :, node])[1].reshape(len(cell), degrees[0])
        after = np.nonzero(adjacency[cell, node])[1].reshape(len(cell), degrees[1])
        groups.append(
            (node_of[cell, node], node_of[cell, 0] + before.T, node_of[cell, 0] + after.T)
        )

    digests = _first_digests(n_nodes, n_in, n_out, labels)
    for _ in range(n_nodes):
        digits, keys, digests = to_hex(digests), _sort_keys(digests), np.empty_like(digests)
        for nodes, before, after in groups:
            parts = [*_ascending(before, keys), BAR, *_ascending(after, keys), BAR, nodes]
            digests[nodes] = md5(_join(parts, digits, len(nodes)))
    digits, keys = to_hex(digests), _sort_keys(digests)
    parts = [ord("[")]
    for column in _ascending(node_of.T, keys):
        parts += [ord("'"), column, ord("'"), ord(","), ord(" ")]
    return md5(_join([*parts[:-2], ord("]")], digits, len(edges)))


def _first_digests(n_nodes, n_in, n_out, labels) -> np.ndarray:
    """Digest of each node's (out-degree, in-degree, label) as printed; uint8 (cells x V, 16)."""
    codes = np.empty_like(n_in)
    codes[:, 0], codes[:, -1] = -1, -2
    powers = N_OPS ** np.arange(n_nodes - 3, -1, -1)
    codes[:, 1:-1] = labels[:, None].astype(np.int64) // powers % N_OPS
    triples = (n_out * 8 + n_in) * 8 + codes + 2
    distinct, which = np.unique(triples, return_inverse=True)
    texts = [str((t // 64, t // 8 % 8, t % 8 - 2)) for t in distinct.tolist()]
    digests = [hashlib.md5(text.encode(), usedforsecurity=False).digest() for text in texts]
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 16)[which.ravel()]


def _sort_keys(digests: np.ndarray) -> np.ndarray:
    """Numbers that order as the digests' hexadecimal digits do, from their first half."""
    return np.ascontiguousarray(digests).view(">u8")[:, 0].astype(np.uint64)


def _ascending(numbers: np.ndarray, keys: np.ndarray) -> list:
    """Node numbers (k, M), each of the M sets sorted by key: exchanges of neighbouring columns."""
    columns = list(numbers)
    for last in range(len(columns) - 1, 0, -1):
        for k in range(last):
            left, right = columns[k], columns[k + 1]
            swap = keys[left] > keys[right]
            columns[k], columns[k + 1] = np.where(swap, right, left), np.where(swap, left, right)
    return columns


def _join(parts: list, digits: np.ndarray, n_messages: int) -> np.ndarray:
    """Messages (M, L) of characters (ints) and of the digits of nodes (arrays of M numbers)."""
    length = sum(1 if isinstance(part, int) else HEX_LENGTH for part in parts)
    messages = np.empty((n_messages, length), dtype=np.uint8)
    at = 0
    for part in parts:
        if isinstance(part, int):
            messages[:, at] = part
            at += 1
        else:
            messages[:, at : at + HEX_LENGTH] = digits.take(part, axis=0)
            at += HEX_LENGTH
    return messages
