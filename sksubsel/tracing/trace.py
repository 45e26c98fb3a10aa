"""From a network to the operations, edges and attributes of its lowered architecture."""

from __future__ import annotations

import contextlib
import copy
import io
import linecache
import logging
import sys
import warnings

import torch
from torch import fx, nn
from torch.nn.utils import rnn

from sksubsel._net import forked_rng

from .errors import where
from .inputs import arguments, placeholders
from .interpret import Interpreter, is_composite, is_leaf
from .normalize import normalize
from .records import Value, flatten

# They look at the lengths, so that fx cannot trace into them.
_PACKING = (
    rnn.pack_padded_sequence,
    rnn.pad_packed_sequence,
    rnn.pack_sequence,
    rnn.pad_sequence,
)


def trace_module(module, example_inputs=None):
    """Operations, edges and attributes of a network; see `Architecture.from_module`.

    Parameters
    ----------
    module : torch.nn.Module
    example_inputs : tensor, tuple or dict, optional
        One or several positional arguments of ``module.forward``, or keyword arguments.

    Returns
    -------
    ops : list of str, length V
    edges : list of (int, int)
    attributes : list of dict, length V

    Raises
    ------
    TypeError
        If `module` is no module, or one compiled by torch.jit.
    ValueError
        If it cannot be traced; the message says where and what to do.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module; got {type(module).__name__}")
    args, kwargs = arguments(example_inputs)
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while isinstance(module, wrappers) or isinstance(getattr(module, "_orig_mod", None), nn.Module):
        module = module.module if isinstance(module, wrappers) else module._orig_mod
    if isinstance(module, torch.jit.ScriptModule):
        raise TypeError(
            "module must be a torch.nn.Module as it was before torch.jit, whose compiled code "
            "cannot be traced; got a ScriptModule"
        )
    given = example_inputs is not None
    with _own_copy(module) as network, _quiet():
        found, cause = _symbolic(network, args, kwargs, given)
        if found is None and not given:
            raise ValueError(_needs_inputs(module, cause)) from cause
        interpreter, outputs = found or _exported(network, args, kwargs)
    build = interpreter.build
    results = [leaf.record for leaf in flatten(outputs) if isinstance(leaf, Value)]
    if not results:
        raise ValueError(f"the output of {type(module).__name__} does not depend on its input")
    ops, edges, attributes = normalize(build.records, results)
    for kind in sorted({node["kind"] for op, node in zip(ops, attributes) if op == "unknown"}):
        warnings.warn(
            f"{build.unknown[kind]} has no node type of its own: its nodes are 'unknown'",
            UserWarning,
            stacklevel=3,
        )
    return ops, edges, attributes


class _CompositeError(Exception):
    """A module of torch.nn is neither one operation nor to be traced by `torch.fx`."""


class _Tracer(fx.Tracer):
    """Gives `forward` placeholders for what must be given, and lets all else have its default."""

    def __init__(self, names, forward, *, proxy_buffers):
        super().__init__(autowrap_functions=_PACKING)
        self._autowrap_search.append(rnn)  # for those who call them by the module's name
        self.proxy_buffer_attributes = proxy_buffers
        self._names = names
        self._forward = forward

    def is_leaf_module(self, m, module_qualified_name):
        if is_composite(m):
            raise _CompositeError(type(m).__name__)
        return is_leaf(m)

    def path_of_module(self, mod):
        if all(mod is not part for part in self.root.modules()):  # made in `forward`
            self.root.add_module(name := f"_made_{sum(1 for _ in self.root.children())}", mod)
            self.submodule_paths = None
            return name
        return super().path_of_module(mod)

    def create_args_for_root(self, root_fn, is_module, concrete_args=None):
        forward = self._forward

        def call(*proxies):  # a plain function, as fx looks for its annotations
            return forward(*proxies)

        return call, [self.create_proxy("placeholder", name, (), {}) for name in self._names]

    def to_bool(self, obj):
        caller = sys._getframe(2)  # the line that asked for the truth of a proxy
        line = linecache.getline(caller.f_code.co_filename, caller.f_lineno)
        if line.lstrip().startswith("assert "):
            return True
        return super().to_bool(obj)


def _symbolic(network, args, kwargs, given: bool):
    """Interpreter and outputs by `torch.fx`, which needs no inputs, or None and the error."""
    names, forms, forward = placeholders(network, args, kwargs, given)
    if is_composite(network):
        return None, _CompositeError(type(network).__name__)
    if is_leaf(network):  # one operation, not to be traced into
        graph = fx.Graph()
        graph.output(graph.call_module("", tuple(map(graph.placeholder, names))))
        interpreter = Interpreter(network, forms=forms)
        return (interpreter, interpreter.run(graph)), None
    cause = None
    # Buffers as proxies take slices of computed length, as values they may decide branches.
    for proxy_buffers in (True, False):
        try:
            with forked_rng():
                graph = _Tracer(names, forward, proxy_buffers=proxy_buffers).trace(network)
        except Exception as error:
            cause = cause or error
            if isinstance(error, _CompositeError):
                break
        else:
            interpreter = Interpreter(network, forms=forms)
            return (interpreter, interpreter.run(graph)), None
    return None, cause


def _exported(network, args, kwargs):
    """Interpreter and outputs by `torch.export`, which runs the network on fake tensors."""
    try:
        with forked_rng():
            program = torch.export.export(network, args, kwargs, strict=False)
    except Exception as error:
        name = type(network).__name__
        if "DataDependent" in type(error).__name__:
            raise ValueError(
                f"cannot trace {name}: its control flow depends on the data{where(error)}. A graph "
                "holds no such choice: write it with torch.where, or trace the branch that is "
                "meant as a module of its own"
            ) from error
        raise ValueError(
            f"torch.export cannot trace {name} with these example_inputs{where(error)}: "
            f"{_brief(error)}. Check that the module takes them"
        ) from error
    _drop_whole_slices(program.graph)
    signature = program.graph_signature
    held = {
        **program.constants,
        **dict(network.named_buffers()),
        **dict(network.named_parameters()),
    }
    lifted = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    tensors = {placeholder: (name, held.get(name)) for placeholder, name in lifted.items()}
    interpreter = Interpreter(network, tensors=tensors, attributes=program.graph_module)
    outputs = interpreter.run(program.graph)
    kinds = [spec.kind.name for spec in signature.output_specs]
    return interpreter, [out for out, kind in zip(outputs, kinds) if kind == "USER_OUTPUT"]


def _drop_whole_slices(graph):
    """Leave out slices of all of an axis, which older versions of torch write for a colon."""
    for node in graph.nodes:
        if node.target is torch.ops.aten.slice.Tensor and not node.kwargs:
            given: list = list(node.args[2:])
            start, end, step = given + [None, None, 1][len(given) :]
            if start in (None, 0) and end in (None, sys.maxsize) and step == 1:
                node.replace_all_uses_with(node.args[0])
                graph.erase_node(node)


@contextlib.contextmanager
def _own_copy(module):
    """A copy that shares the parameters, in evaluation mode, without gradients or fast paths.

    What the trace may touch belongs to the copy. The mode is set on each module, as `eval` may
    be overridden to do more than that.
    """
    shared = [*module.parameters()]
    if any(nn.parameter.is_lazy(tensor) for tensor in [*shared, *module.buffers()]):
        raise ValueError(
            f"module must have its parameters: {type(module).__name__} is lazy, run it once on a "
            "batch"
        )
    for part in module.modules():
        for held in [*vars(part).values(), *part._buffers.values()]:
            if isinstance(held, torch.Tensor) and held.grad_fn is not None:
                shared.append(held)  # computed from parameters: torch refuses to copy it
    try:
        network = copy.deepcopy(module, {id(tensor): tensor for tensor in shared})
    except Exception as error:
        raise ValueError(
            f"module must be one that copy.deepcopy can copy; {type(module).__name__} is not: "
            f"{_brief(error)}"
        ) from error
    for part in network.modules():
        part.training = False
    # The fast paths of transformers are single operations that hide the graph.
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            yield network
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextlib.contextmanager
def _quiet():
    """Without what torch says about a trace besides its errors."""
    names = ("torch.fx.experimental.symbolic_shapes", "torch._subclasses.fake_tensor")
    loggers = [logging.getLogger(name) for name in names]
    disabled = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, was in zip(loggers, disabled):
            logger.disabled = was


def _needs_inputs(module, cause) -> str:
    name = type(module).__name__
    if isinstance(cause, _CompositeError):
        return (
            f"cannot trace {name} without example_inputs: the parts of a torch.nn.{cause} are "
            "seen only by torch.export. Give example_inputs to Architecture.from_module, a tuple "
            "of the arguments of module.forward"
        )
    return (
        f"cannot trace {name} without example_inputs{where(cause)}: {_brief(cause)}. Give "
        "example_inputs to Architecture.from_module, a tuple of the arguments of module.forward. "
        "If the statement depends on values of tensors, not only on their shapes, no graph can "
        "hold it: write it with torch.where, or trace the branch that is meant as a module of its "
        "own"
    )


def _brief(error) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0].rstrip('.')}"
