"""What the process keeps between clicks: models, analyses, masks, embeddings, each in a bounded cache.

Sessions hold ids only; tensors live here, shared between people who look at the same thing.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import torch

from gaprune_viz.analysis.exact import exact_scope, refuse_other_weights
from gaprune_viz.analysis.opening import Analysis, open_analysis
from gaprune_viz.app.session.access import visitor
from gaprune_viz.config import ModelSpec, Settings, task_source
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.cached import EmbeddingCache, embedding_cache
from gaprune_viz.evaluation.mteb.estimate import Speed, measure_speed
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask, TaskEmbeddings
from gaprune_viz.jobs.watching import Report, driven
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.masking.masks import MaskResult
from gaprune_viz.masking.neurons import Losses, losses_of
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.memory import release
from gaprune_viz.models.sources import parameter_count
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.pruned import Pruned, made_by_update, pruned
from gaprune_viz.pruning.refit.from_analysis import Provenance, errors_analysed
from gaprune_viz.sketch.preview import Preview

T = TypeVar("T")


class Cache(Generic[T]):
    """The most recently used values, a few of them; a value is made once even when two people ask at the same time."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value under a key, made where it is missing. What `make` raises is raised, and nothing is kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            value = make()
            with self._lock:
                self._values[key] = value
                self._making.pop(key, None)
                while len(self._values) > self.largest:
                    self._values.popitem(last=False)
            return value

    def clear(self) -> None:
        """Let go of all values; who uses one keeps it."""
        with self._lock:
            self._values.clear()

    def peek(self, key: Hashable) -> T | None:
        """The value under a key, or None."""
        with self._lock:
            return self._values.get(key)


def _kept_under(analysis: Analysis, settings: Settings) -> tuple[str, str]:
    """What some settings of an analysis are kept under: allocation `auto` and what it stands for are the same."""
    return str(analysis.folder), settled(settings).key()


def _masks_under(analysis: Analysis, settings: Settings) -> tuple[str, str]:
    """What their masks are kept under, whatever becomes of the weights that stay."""
    return _kept_under(analysis, settings.mask_only)


class Store:
    """All caches of the process."""

    def __init__(self) -> None:
        self._models: Cache[EmbeddingModel] = Cache(2)
        self._sizes: Cache[int] = Cache(32)
        self._analyses: Cache[Analysis] = Cache(8)
        self._scopes: Cache[tuple[EmbeddingModel, ExactScope, tuple[Target, ...]]] = Cache(4)
        self._masks: Cache[MaskResult] = Cache(6)
        self._made: Cache[Pruned] = Cache(3)
        self._errors: Cache[dict[str, list[float]]] = Cache(32)
        self._previews: Cache[Preview] = Cache(16)
        self._losses: Cache[Losses] = Cache(32)
        self._tasks: Cache[RetrievalTask] = Cache(12)
        self._embeddings: Cache[TaskEmbeddings] = Cache(32)
        self._speeds: Cache[Speed] = Cache(32)
        self._retrained: Cache[EmbeddingModel] = Cache(2)

    def clear(self) -> None:
        """Let go of everything; who uses a part of it keeps it."""
        for cache in vars(self).values():
            cache.clear()

    @property
    def disk(self) -> EmbeddingCache:
        """Embeddings that outlive the process."""
        return embedding_cache()

    def check_model(self, spec: ModelSpec) -> None:
        """Refuse a model that the visitor may not use, or that is too large for him."""
        access = visitor().access
        access.check_model(spec)
        if access.spec.public:
            access.check_size(self._sizes.get(spec.key(), lambda: parameter_count(spec)))

    def model(self, spec: ModelSpec) -> EmbeddingModel:
        """A model, where the visitor may use it."""
        self.check_model(spec)
        return self._models.get(spec.key(), lambda: load_model(spec))

    def hand_over(self, spec: ModelSpec) -> None:
        """Before another process loads a model: refuse it as `model` does, and let go of ours on a card.

        A card may have room for one of them only.
        """
        self.check_model(spec)
        if torch.cuda.is_available():
            self._scopes.clear()
            self._models.clear()
            release()

    def analysis(self, name: str) -> Analysis:
        """An analysis by its id, where the visitor may see it; `demo` is the bundled one."""
        folder = visitor().folder(name)
        return self._analyses.get(str(folder), lambda: open_analysis(folder))

    def task(self, source: str | None) -> RetrievalTask:
        """A retrieval task by its source, where the visitor may read it."""
        if not source:
            raise GapruneError("No collection is chosen.", "Choose one in the Retrieval tab.")
        visitor().check_source(task_source(source)[0])
        return self._tasks.get(source, lambda: load_task(source))

    def dense(self, analysis: Analysis) -> EmbeddingModel:
        """The dense model of an analysis, its weights checked against the run."""
        model = self.model(analysis.run.model)
        refuse_other_weights(analysis.statistics, model)
        return model

    def scope(self, analysis: Analysis) -> tuple[ExactScope, tuple[Target, ...]]:
        """The exact scope of an analysis, and its targets in the model that `dense` gives now.

        A model that made room for others is loaded anew: a mask on the targets of the old one would change nothing.
        """
        model = self.dense(analysis)
        # Kept with its scope, so that no other model can come to have its id meanwhile.
        key = (str(analysis.folder), id(model))
        _, scope, targets = self._scopes.get(key, lambda: (model, *exact_scope(analysis.statistics, model)))
        return scope, targets

    def preview(self, analysis: Analysis, settings: Settings) -> Preview:
        """What the sketch says of some settings: one answer for all handlers that follow a slider's move."""
        key = (id(analysis), *_kept_under(analysis, settings))
        return self._previews.get(key, lambda: analysis.live.preview(settings))

    def masks(self, analysis: Analysis, settings: Settings) -> MaskResult:
        """The exact masks of some settings, whatever becomes of the weights that stay.

        Of a criterion with an update those of its scores: its own are made by `pruned`.
        """
        key = _masks_under(analysis, settings)
        return self._masks.get(key, lambda: self.scope(analysis)[0].masks(settings))

    def known_masks(self, analysis: Analysis, settings: Settings) -> MaskResult | None:
        """The exact masks, where they were made already."""
        return self._masks.peek(_masks_under(analysis, settings))

    def pruned(self, analysis: Analysis, settings: Settings, report: Report, stopped: Callable[[], bool]) -> Pruned:
        """The exact masks and, where the settings ask for it, the weights that are no longer as they were, made once.

        Raises:
            Cancelled: `stopped` says so.
        """
        result = self.masks(analysis, settings)
        if not settings.refit.refit and not made_by_update(settings):
            return Pruned(result)

        def make() -> Pruned:
            scope, targets = self.scope(analysis)
            work = pruned(analysis.statistics, self.dense(analysis), scope, targets, settings, result)
            return driven(work, report, stopped)

        return self._made.get(_kept_under(analysis, settings), make)

    def block_errors(
        self, analysis: Analysis, settings: Settings, report: Report, stopped: Callable[[], bool]
    ) -> dict[str, list[float]]:
        """Each block's error under the mask alone and refitted, made once."""
        made = self.pruned(analysis, settings, report, stopped)

        def make() -> dict[str, list[float]]:
            origin, model = Provenance.of(analysis.statistics), self.dense(analysis)
            targets = self.scope(analysis)[1]
            work = errors_analysed(origin, model, targets, made.masks, made.weights, settings.refit)
            return driven(work, report, stopped)

        return self._errors.get(_kept_under(analysis, settings), make)

    def losses(self, analysis: Analysis, settings: Settings) -> Losses:
        """What the exact masks of some settings do to rows and neurons."""
        key = _masks_under(analysis, settings)
        return self._losses.get(
            key, lambda: losses_of(self.masks(analysis, settings).masks, analysis.statistics.matrices)
        )

    def known_losses(self, analysis: Analysis, settings: Settings) -> Losses | None:
        """The same, where the exact masks were made already."""
        known = self.known_masks(analysis, settings)
        if known is None:
            return self._losses.peek(_masks_under(analysis, settings))
        return self.losses(analysis, settings)

    def embeddings(
        self, analysis: Analysis, task: RetrievalTask, settings: Settings | None, make: Callable[[], TaskEmbeddings]
    ) -> TaskEmbeddings:
        """Embeddings of a task by a model: dense where `settings` is None, else under their mask."""
        side = "dense" if settings is None else _kept_under(analysis, settings)
        return self._embeddings.get((analysis.run.model.key(), side, task.content_hash), make)

    def speed(self, analysis: Analysis) -> Speed:
        """How fast the dense model reads here; measured once."""
        return self._speeds.get(analysis.run.model.key(), lambda: measure_speed(self.dense(analysis)))

    def known_speed(self, analysis: Analysis) -> Speed | None:
        """The same, where it was measured already."""
        return self._speeds.peek(analysis.run.model.key())

    def keep_retrained(self, analysis: Analysis, settings: Settings, model: EmbeddingModel) -> str:
        """Keep a retrained model for a while; its id, which nobody can guess."""
        name = secrets.token_hex(8)
        self._retrained.get((name, *_kept_under(analysis, settings)), lambda: model)
        return name

    def retrained(self, analysis: Analysis, settings: Settings, name: str) -> EmbeddingModel:
        """A retrained model by its id.

        Raises:
            GapruneError: it was made from other settings, or is no longer kept.
        """
        found = self._retrained.peek((name, *_kept_under(analysis, settings)))
        if found is None:
            raise GapruneError(
                "The retrained model belongs to other settings, or is no longer kept.",
                "Retrain again, or run the benchmark without it.",
            )
        return found


STORE = Store()
