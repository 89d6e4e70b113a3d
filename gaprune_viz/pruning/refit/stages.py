"""In which order a model's layers are refitted: block after block, and in a block layer after layer as they compute.

Layers that read the same tensor are one stage: none of them waits for another, and they share a Gram matrix. Found by
running each block once on a few short texts, which also shows whether it can be run again by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.blocks import find_blocks, is_linear
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.roles import reads_tokens
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.refit.replay import HINT, Call, Ids, Sums, answering, applied, capture, states_of

# A replayed block gives what it gave, up to rounding; measured on a few tokens.
SAME = 1e-3
# What ends attention and an MLP may go onto the residual stream. Others are added to things too: some activations add
# a power of their input to it.
ENDING = ("attention_output", "down")


@dataclass(frozen=True)
class Stage:
    """Layers of a block that read one tensor.

    Attributes:
        targets: in the order in which they compute.
        added: names of those whose output goes straight onto the residual stream.
        direct: whether the error that they are to make good is formed token by token; otherwise it is formed from the
            difference of the inputs, once for all of them.
    """

    targets: tuple[Target, ...]
    added: frozenset[str]
    direct: bool

    @property
    def width(self) -> int:
        """Inputs of each layer."""
        return self.targets[0].shape[1]

    @property
    def kept(self) -> int:
        """Numbers of a token that the dense pass keeps for it."""
        return sum(t.shape[0] for t in self.targets) if self.direct else self.width


@dataclass(frozen=True)
class Part:
    """A module within a block that holds linear layers and is called once.

    Attributes:
        name: in the block.
        stage: the last one that has a layer in it; -1 where none has.
        size: numbers a token that it returns.
    """

    name: str
    module: nn.Module
    stage: int
    size: int


@dataclass(frozen=True)
class Block:
    """A transformer block and its stages; without any it is only passed through.

    Attributes:
        parts: from the outside in.
        weights: of all its linear layers, for predictions of time.
    """

    name: str
    module: nn.Module
    stages: tuple[Stage, ...]
    parts: tuple[Part, ...]
    weights: int

    def done(self, position: int) -> tuple[Part, ...]:
        """The largest parts with no layer of a stage from `position` on: they answer a batch alike from there on."""
        chosen: list[Part] = []
        for part in self.parts:
            if part.stage < position and not any(part.name.startswith(f"{outer.name}.") for outer in chosen):
                chosen.append(part)
        return tuple(chosen)


@dataclass(frozen=True)
class Layout:
    """The blocks of a model.

    Attributes:
        blocks: up to the last one that has a stage.
        tuples: whether blocks return tuples.
        alone: whether they return their states alone.
        arguments: bytes that one token, and one pair of tokens of a text, take in the blocks' other arguments.
        hidden: width of the states.
    """

    blocks: tuple[Block, ...]
    tuples: bool
    alone: bool
    arguments: tuple[float, float]
    hidden: int

    @property
    def modules(self) -> list[nn.Module]:
        return [block.module for block in self.blocks]

    def passing(self, states: Tensor) -> Any:
        """What a block returns that changes nothing."""
        return (states,) if self.tuples else states


@torch.no_grad()
def layout_of(model: EmbeddingModel, targets: Sequence[Target], ids: Ids) -> Layout:
    """Find the stages of all blocks.

    Args:
        targets: the layers to be refitted.
        ids: token ids of a few short texts.

    Raises:
        GapruneError: the blocks do not follow one another, one cannot be replayed, or layers share a weight.
    """
    _refuse_shared(model, targets)
    by_block: dict[int, list[Target]] = {}
    for target in targets:
        by_block.setdefault(target.layer, []).append(target)
    found = find_blocks(model.backbone)
    modules = [module for _, module in found]
    outputs: list[Any] = []
    handles = [m.register_forward_hook(lambda m, args, out: outputs.append(out)) for m in modules]
    try:
        captured = capture(model, modules, ids, None)
    finally:
        for handle in handles:
            handle.remove()
    states = captured.states
    assert states is not None
    blocks = []
    for i, (name, module) in enumerate(found[: max(by_block) + 1]):
        out, stages, parts = _stages(module, by_block.get(i, []), captured.calls[i], states, ids)
        if not bool(torch.isfinite(out).all()):
            raise GapruneError(f"What {name} of {model.label} gives is not finite.", "Use float32, or another model.")
        if not _same(out, states_of(outputs[i])):
            raise GapruneError(f"{name} of {model.label} gives something else when it is run again.", HINT)
        weights = sum(m.weight.numel() for m in module.modules() if is_linear(m))  # type: ignore[union-attr, operator]
        blocks.append(Block(name, module, stages, parts, weights))
        states = out
    others = [value for out in outputs if isinstance(out, tuple) for value in out[1:] if value is not None]
    tuples = isinstance(outputs[0], tuple)
    return Layout(tuple(blocks), tuples, not others, _argument_bytes(captured.calls, ids), states.shape[-1])


def _refuse_shared(model: EmbeddingModel, targets: Sequence[Target]) -> None:
    users: dict[int, int] = {}
    for module in model.backbone.modules():
        if is_linear(module):
            users[id(module.weight)] = users.get(id(module.weight), 0) + 1
    for target in targets:
        if users.get(id(target.parameter), 1) > 1:
            raise GapruneError(f"{target.name} is the weight of several layers: they cannot be fitted apart.", HINT)


def _same(first: Tensor, second: Tensor) -> bool:
    gap = (first.float() - second.float()).norm()
    return bool(gap <= SAME * second.float().norm())


def _stages(
    block: nn.Module, targets: Sequence[Target], call: Call, states: Tensor, ids: Ids
) -> tuple[Tensor, tuple[Stage, ...], tuple[Part, ...]]:
    """The states after a block, its stages, and its parts."""
    seen: list[tuple[Target, Tensor]] = []
    sums = Sums()

    def heard(target: Target) -> Any:
        answer = applied(target, target.weight)

        def forward(x: Tensor) -> Tensor:
            if not reads_tokens(x, len(ids), max(map(len, ids))) or any(t is target for t, _ in seen):
                raise GapruneError(f"{target.name} is used more than once in its block, or on other things.", HINT)
            if not seen or not _one(seen[-1][1], x):
                # Once the next stage computes, a sum may hold what only a later one can mend.
                sums.forget()
            seen.append((target, x))
            out = answer(x)
            if target.role in ENDING and out.shape[-1] == states.shape[-1]:
                sums.watch(target.name, out)
            return out

        return forward

    with _counting(block) as counts, answering({t.module: heard(t) for t in targets}), sums:
        out = call.run(block, states)
    groups: list[list[Target]] = []
    for i, (target, x) in enumerate(seen):
        if i and _one(seen[i - 1][1], x):
            groups[-1].append(target)
        else:
            groups.append([target])
    stages = tuple(_stage(group, sums.found) for group in groups)
    return out, stages, tuple(_parts(block, stages, counts, states.shape[0] * states.shape[1]))


@contextmanager
def _counting(block: nn.Module) -> Iterator[dict[nn.Module, list[int]]]:
    """The numbers that each module within a block returns, call by call."""
    counts: dict[nn.Module, list[int]] = {}

    def count(module: nn.Module, args: Any, out: Any) -> None:
        tensors = [t for t in (out if isinstance(out, (tuple, list)) else (out,)) if isinstance(t, Tensor)]
        counts.setdefault(module, []).append(sum(t.numel() for t in tensors))

    handles = [module.register_forward_hook(count) for module in block.modules() if module is not block]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


def _parts(
    block: nn.Module, stages: Sequence[Stage], counts: Mapping[nn.Module, list[int]], tokens: int
) -> Iterator[Part]:
    stage_of = {id(t.module): i for i, stage in enumerate(stages) for t in stage.targets}
    for name, module in block.named_modules():
        if len(counts.get(module, ())) == 1 and any(is_linear(m) for m in module.modules()):
            last = max(stage_of.get(id(m), -1) for m in module.modules())
            yield Part(name, module, last, -(-counts[module][0] // tokens))


def _one(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors that are both held are one."""
    return first.data_ptr() == second.data_ptr() and first.shape == second.shape


def _stage(group: Sequence[Target], found: Mapping[str, Tensor]) -> Stage:
    added = frozenset(t.name for t in group if t.name in found)
    outputs = sum(t.shape[0] for t in group)
    return Stage(tuple(group), added, bool(added) or outputs < group[0].shape[1])


def _argument_bytes(calls: Sequence[Call], ids: Ids) -> tuple[float, float]:
    """Bytes a token, and bytes a pair of tokens of one text."""
    texts, longest = len(ids), max(map(len, ids))
    storages = {t.untyped_storage()._cdata: t for call in calls for t in call.tensors}
    single, paired = 0, 0
    for tensor in storages.values():
        size = tensor.untyped_storage().nbytes()
        if tensor.ndim >= 4:
            paired += size
        else:
            single += size
    return single / (texts * longest), paired / (texts * longest**2)
