"""What the process that computes keeps from one work to the next: a few models, analyses, masks, embeddings."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

from gaprune_viz.analysis.exact_scores import exact_scope, refuse_other_weights
from gaprune_viz.analysis.opening import Analysis, open_analysis
from gaprune_viz.config import ModelSpec, Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.embedding_cache import EmbeddingCache, by_its_own_weights, embedding_cache
from gaprune_viz.evaluation.mteb.estimate import Speed, measure_speed
from gaprune_viz.evaluation.task_sources import load_task, task_stamp
from gaprune_viz.evaluation.tasks import RetrievalTask, TaskEmbeddings
from gaprune_viz.jobs.watched_work import Report, driven
from gaprune_viz.jobs.works.disk_cache import outline_for
from gaprune_viz.jobs.works.lru_cache import Cache
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.masking.masks import MaskResult, sparsity_of
from gaprune_viz.masking.neuron_masks import Losses, losses_of
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.mask_and_refit import Pruned, made_by_update, pruned
from gaprune_viz.pruning.refit.from_analysis import Provenance, errors_analysed
from gaprune_viz.pruning.structured.making import Planned, plan
from gaprune_viz.pruning.structured.outline import Outline
from gaprune_viz.storage.paths import named, stamp

# Bytes: the bundled analysis takes 113 MB.
MOST_DECODED = 192 * 2**20

Under = tuple[str, str]


def kept_under(analysis: Analysis, settings: Settings) -> Under:
    """What some settings of an analysis are kept under: allocation `auto` and what it stands for are the same."""
    return str(analysis.folder), settled(settings).key()


def masks_under(analysis: Analysis, settings: Settings) -> Under:
    """What their masks are kept under, whatever becomes of the weights that stay."""
    return kept_under(analysis, settings.mask_only)


def dense_under(analysis: Analysis) -> tuple[str, str]:
    """What the dense model of an analysis is known by: its name alone may have come to stand for other weights."""
    return analysis.weights, analysis.run.model.key()


@dataclass(frozen=True)
class Counted:
    """What the exact masks of some settings say, counted over every weight.

    Attributes:
        sparsity: of the scope.
        pruned_fraction: of each matrix, by name.
        losses: what they do to rows and neurons.
    """

    sparsity: float
    pruned_fraction: dict[str, float]
    losses: Losses


class Kept:
    """All caches of the process that computes."""

    def __init__(self) -> None:
        self._models: Cache[EmbeddingModel] = Cache(2)
        self._analyses: Cache[Analysis] = Cache(8)
        self._scopes: Cache[tuple[EmbeddingModel, ExactScope, tuple[Target, ...]]] = Cache(4)
        self._masks: Cache[MaskResult] = Cache(6)
        self._counted: Cache[Counted] = Cache(32)
        self._made: Cache[Pruned] = Cache(3)
        self._errors: Cache[dict[str, list[float]]] = Cache(32)
        self._tasks: Cache[RetrievalTask] = Cache(12)
        self._embeddings: Cache[TaskEmbeddings] = Cache(32)
        self._speeds: Cache[Speed] = Cache(32)
        self._retrained: Cache[EmbeddingModel] = Cache(2)
        self._planned: Cache[tuple[EmbeddingModel, Planned]] = Cache(6)
        self._smaller: Cache[EmbeddingModel] = Cache(2)
        self._used: dict[Under, Counted] = {}

    def clear(self) -> None:
        """Let go of everything; who uses a part of it keeps it."""
        for cache in vars(self).values():
            cache.clear()

    def begin(self) -> None:
        """A work begins: `used` counts from here."""
        self._used = {}

    def used(self) -> dict[Under, Counted]:
        """What is known of the masks that this work made or used."""
        return self._used

    @property
    def disk(self) -> EmbeddingCache:
        """Embeddings that outlive the process."""
        return embedding_cache()

    def model(self, spec: ModelSpec) -> EmbeddingModel:
        """A model; one whose files have changed is loaded anew."""
        return self._models.get((spec.key(), stamp(named(spec.model))), lambda: load_model(spec))

    def analysis(self, folder: str) -> Analysis:
        """The analysis in a folder."""
        return self._analyses.get(folder, lambda: _opened(Path(folder)))

    def task(self, source: str) -> RetrievalTask:
        """A retrieval task by its source; one whose files have changed is read anew."""
        return self._tasks.get((source, task_stamp(source)), lambda: load_task(source))

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

    def masks(self, analysis: Analysis, settings: Settings) -> MaskResult:
        """The exact masks of some settings, whatever becomes of the weights that stay.

        Of a criterion with an update those of its scores: its own are made by `pruned`. Of structures, what goes of
        each matrix of the scope: the model without them is `smaller`.
        """
        key = masks_under(analysis, settings)

        def make() -> MaskResult:
            if settings.structure.whole:
                return self.planned(analysis, settings).masks()
            return self.scope(analysis)[0].masks(settings)

        result = self._masks.get(key, make)
        self._used[key] = self._counted.get(key, lambda: _count(analysis, result))
        return result

    def losses(self, analysis: Analysis, settings: Settings) -> Losses:
        """What the exact masks of some settings do to rows and neurons."""
        self.masks(analysis, settings)
        return self._used[masks_under(analysis, settings)].losses

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

        return self._made.get(kept_under(analysis, settings), make)

    def outline(self, analysis: Analysis) -> Outline:
        """What could be taken out of the model of an analysis; kept, so that the page knows it without the model."""
        return outline_for(self.dense(analysis))

    def planned(self, analysis: Analysis, settings: Settings) -> Planned:
        """Which structures go.

        Raises:
            GapruneError: they cannot be cut.
        """
        dense = self.dense(analysis)
        # As with scopes: kept with its model.
        key = (*kept_under(analysis, settings), id(dense))

        def make() -> tuple[EmbeddingModel, Planned]:
            self.outline(analysis)
            return dense, plan(analysis.statistics, dense, self.scope(analysis)[0], settings)

        return self._planned.get(key, make)[1]

    def smaller(
        self, analysis: Analysis, settings: Settings, report: Report, stopped: Callable[[], bool]
    ) -> EmbeddingModel:
        """The model without its structures, finished as the settings ask, made once.

        Its hash is that of what is left, so that nothing takes it for the dense one.

        Raises:
            Cancelled: `stopped` says so.
            GapruneError: they cannot be cut.
        """
        # What is counted of the cut is known to the page afterwards, as of a mask.
        self.masks(analysis, settings)

        def make() -> EmbeddingModel:
            made = driven(self.planned(analysis, settings).made(self.dense(analysis)), report, stopped)
            return by_its_own_weights(made.tried.best)

        return self._smaller.get(kept_under(analysis, settings), make)

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

        return self._errors.get(kept_under(analysis, settings), make)

    def embeddings(
        self, analysis: Analysis, task: RetrievalTask, settings: Settings | None, make: Callable[[], TaskEmbeddings]
    ) -> TaskEmbeddings:
        """Embeddings of a task by a model: dense where `settings` is None, else under their mask."""
        return self._embeddings.get(_embedded_under(analysis, task, settings), make)

    def are_embedded(self, analysis: Analysis, task: RetrievalTask, settings: Settings) -> bool:
        """Whether the embeddings of a task under a mask are there."""
        return self._embeddings.peek(_embedded_under(analysis, task, settings)) is not None

    def speed(self, analysis: Analysis) -> Speed:
        """How fast the dense model reads here; measured once."""
        return self._speeds.get(dense_under(analysis), lambda: measure_speed(self.dense(analysis)))

    def keep_retrained(self, analysis: Analysis, settings: Settings, model: EmbeddingModel) -> str:
        """Keep a retrained model for a while; its id, which nobody can guess."""
        name = secrets.token_hex(8)
        self._retrained.put((name, *kept_under(analysis, settings)), model)
        return name

    def retrained(self, analysis: Analysis, settings: Settings, name: str) -> EmbeddingModel:
        """A retrained model by its id.

        Raises:
            GapruneError: it was made from other settings, or is no longer kept.
        """
        found = self._retrained.peek((name, *kept_under(analysis, settings)))
        if found is None:
            raise GapruneError(
                "The retrained model belongs to other settings, or is no longer kept.",
                "Retrain again, or run the benchmark without it.",
            )
        return found


def _embedded_under(analysis: Analysis, task: RetrievalTask, settings: Settings | None) -> tuple[Hashable, ...]:
    side = "dense" if settings is None else kept_under(analysis, settings)
    return (*dense_under(analysis), side, task.content_hash)


def _opened(folder: Path) -> Analysis:
    analysis = open_analysis(folder)
    analysis.statistics.keep_decoded(MOST_DECODED)
    return analysis


def _count(analysis: Analysis, result: MaskResult) -> Counted:
    fractions = {name: 1 - float(mask.float().mean()) for name, mask in result.masks.items()}
    return Counted(sparsity_of(result.masks), fractions, losses_of(result.masks, analysis.statistics.matrices))


KEPT = Kept()
