"""Which instances the networks of each space take, whether built or lowered."""

from __future__ import annotations

from sksubsel._validation import check_images, check_positive, is_count

from ._nasbench201_lowering import N_STAGES


def check_nasbench101(in_shape, n_classes, stem_channels, n_stacks, n_cells) -> tuple:
    """`in_shape` as a tuple; ValueError if it is no image that is large enough."""
    check_positive(
        n_classes=n_classes, stem_channels=stem_channels, n_stacks=n_stacks, n_cells=n_cells
    )
    halving = f" for n_stacks={n_stacks}, each stack but the first halving them"
    return check_images(in_shape, "NAS-Bench-101", 2 ** (n_stacks - 1), halving)


def check_nasbench201(in_shape, n_classes, stem_channels, n_cells) -> tuple:
    """`in_shape` as a tuple; ValueError if it is no image that is large enough."""
    check_positive(n_classes=n_classes, stem_channels=stem_channels, n_cells=n_cells)
    halving = f", two of the {N_STAGES} stages halving them"
    return check_images(in_shape, "NAS-Bench-201", 2 ** (N_STAGES - 1), halving)


def check_mlp(in_shape, n_classes) -> tuple:
    """`in_shape` as a tuple; ValueError unless it has positive sides."""
    in_shape = tuple(in_shape)
    if not in_shape or not all(map(is_count, in_shape)):
        raise ValueError(
            "an MLP takes instances of any shape, in_shape=X.shape[1:], of at least one axis and "
            f"without an empty one; got in_shape={in_shape}"
        )
    check_positive(n_classes=n_classes)
    return in_shape


def check_transformer(in_shape, n_classes, tokens, patch_size, vocab_size) -> tuple:
    """`in_shape` as a tuple; ValueError if a transformer of these settings does not take it.

    Parameters
    ----------
    in_shape : tuple of int
    n_classes : int
    tokens : bool
        Whether the architecture embeds ints.
    patch_size : int
    vocab_size : int or None
    """
    counts = {"n_classes": n_classes, "patch_size": patch_size}
    if tokens:
        counts["vocab_size"] = vocab_size
    check_positive(**counts)
    if not tokens and vocab_size is not None:
        raise ValueError(
            f"vocab_size must be None for an architecture with a 'patch' node; got {vocab_size!r}"
        )
    in_shape = tuple(in_shape)
    if not all(map(is_count, in_shape)):
        raise ValueError(f"in_shape must hold positive ints; got {in_shape}")
    if tokens and len(in_shape) != 1:
        raise ValueError(
            "with vocab_size, a transformer takes sequences of ints, in_shape=(length,); got "
            f"in_shape={in_shape}"
        )
    if not tokens and len(in_shape) not in (2, 3):
        raise ValueError(
            "a transformer takes images, in_shape=(channels, height, width), sequences of vectors, "
            "(length, features), or, with vocab_size, sequences of ints, (length,); got "
            f"in_shape={in_shape} (a table's columns can be a sequence: X[:, :, None])"
        )
    if len(in_shape) == 3 and (in_shape[1] % patch_size or in_shape[2] % patch_size):
        raise ValueError(
            f"patch_size must divide height and width of the images; got patch_size={patch_size} "
            f"and in_shape={in_shape}"
        )
    return in_shape
