"""One block of a model at a time, run again with the arguments that it had, its linear layers answering as told.

The model itself is never changed: for the length of one call the layers of a block answer with weights that are given
to them, or with what they answered before, and a call ends where the layer is reached that somebody waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.roles import without_cache
from gaprune_viz.models.targets import Target

Answer = Callable[[Tensor], Tensor]
Ids = Sequence[Sequence[int]]


class Reached(Exception):
    """A call has shown what it was made for."""


@dataclass(frozen=True)
class Call:
    """What a block is called with, beside the states that it reads."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def run(self, block: nn.Module, states: Tensor) -> Tensor:
        """The states after a block.

        Args:
            states: [texts, longest, hidden].

        Raises:
            GapruneError: the block changes what it reads.
        """
        version = states._version
        out = block(states, *self.args, **self.kwargs)
        if states._version != version:
            raise GapruneError("A block of this model writes over what it reads, so that it cannot be run again.", HINT)
        return states_of(out)

    @property
    def tensors(self) -> Iterator[Tensor]:
        """The tensors among the arguments."""
        for value in (*self.args, *self.kwargs.values()):
            for item in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(item, Tensor):
                    yield item


HINT = "A refit needs a model whose blocks follow one another; prune it without one."


def features_of(model: EmbeddingModel, ids: Ids) -> dict[str, Tensor]:
    """What a backbone is called with for some texts: without what only the pooling reads."""
    return {name: value for name, value in model.features(ids, "passage").items() if name != "prompt_length"}


def states_of(out: Any) -> Tensor:
    """The states among what a block returns: a tensor, or the first of a tuple."""
    return out if isinstance(out, Tensor) else out[0]


@dataclass
class Capture:
    """What the blocks of a model are called with for one batch.

    Attributes:
        states: what the first block reads, [texts, longest, hidden].
        calls: the other arguments, block by block.
    """

    states: Tensor | None = None
    calls: list[Call] = field(default_factory=list)


@torch.no_grad()
def capture(
    model: EmbeddingModel, blocks: Sequence[nn.Module], ids: Ids, passing: Callable[[Tensor], Any] | None
) -> Capture:
    """Call the model, up to the last of these blocks.

    Args:
        passing: what a block returns, given the states that it reads, so that blocks need not compute: right where
            they return states alone, and no block's arguments come from an earlier one. None lets the whole model
            compute, so that a block that is called again is seen.

    Raises:
        GapruneError: the blocks are not called one after another, each once.
    """
    found = Capture()

    def heard(block: nn.Module, position: int) -> Callable[..., Any]:
        compute = block.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            if len(found.calls) != position or not args or not isinstance(args[0], Tensor):
                raise GapruneError("The blocks of this model are not called one after another.", HINT)
            if found.states is None:
                found.states = args[0]
            rest = {name: without_cache(value) for name, value in kwargs.items()}
            found.calls.append(Call(tuple(map(without_cache, args[1:])), rest))
            if len(found.calls) == len(blocks) and passing is not None:
                raise Reached
            return compute(*args, **kwargs) if passing is None else passing(args[0])

        return forward

    with answering({block: heard(block, i) for i, block in enumerate(blocks)}), suppress(Reached):
        model.backbone(**features_of(model, ids))
    if len(found.calls) < len(blocks):
        raise GapruneError(f"{len(found.calls)} of the {len(blocks)} blocks of this model are used.", HINT)
    return found


@contextmanager
def answering(answers: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Modules that answer with something else than their own forward, for as long as the block runs."""
    before = {module: module.__dict__.get("forward") for module in answers}
    try:
        for module, answer in answers.items():
            module.forward = answer  # type: ignore[method-assign]
        yield
    finally:
        for module, forward in before.items():
            if forward is None:
                module.__dict__.pop("forward", None)
            else:
                module.forward = forward  # type: ignore[method-assign]


def applied(target: Target, weight: Tensor) -> Answer:
    """A layer with another weight, [out, in], and its own bias."""
    bias: Tensor | None = getattr(target.module, "bias", None)
    return lambda x: F.linear(x, weight, bias)


class Sums(TorchDispatchMode):
    """Watches for the additions that put layers' outputs onto the residual stream.

    The sum of a layer's output and the stream is what the rest of the model reads: where it is known, a layer can make
    good what the stream has lost before it. An addition is told by the memory of what is added.

    Args:
        wanted: names of the layers whose sum is waited for; when all have come, the call ends by `Reached`. Without
            them the call goes on, and the sums are copied.
    """

    def __init__(self, wanted: Sequence[str] = ()) -> None:
        super().__init__()
        self.wanted = set(wanted)
        self.outputs: dict[int, tuple[str, Tensor]] = {}
        self.found: dict[str, Tensor] = {}
        self.copying = not wanted

    def watch(self, name: str, out: Tensor) -> None:
        """Wait for the sum of a layer's output. The output is held, so that its memory is nobody else's."""
        self.outputs[out.data_ptr()] = (name, out)

    def forget(self) -> None:
        """Sums from here on are of more than the layers that are watched."""
        self.outputs.clear()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and keep its result where it is a sum that is waited for."""
        # Looked up before it runs: an addition in place gives its result in the same memory.
        names = self._added(args) if func in ADDITIONS and not kwargs else []
        out = func(*args, **(kwargs or {}))
        for name in names:
            # A later operation may write over it.
            self.found[name] = out.clone() if self.copying else out
            if self.wanted and self.wanted <= self.found.keys():
                raise Reached
        return out

    def _added(self, args: Sequence[Any]) -> list[str]:
        names = []
        for item, other in (args[:2], args[1::-1]):
            if not isinstance(item, Tensor) or not isinstance(other, Tensor) or item.numel() != other.numel():
                continue
            name, out = self.outputs.get(item.data_ptr(), ("", item))
            if name and name not in self.found and out.numel() == item.numel():
                names.append(name)
        return names


ADDITIONS = (torch.ops.aten.add.Tensor, torch.ops.aten.add_.Tensor)
