"""What the page keeps between clicks, each kind in a bounded cache: analyses, previews, tasks, what masks do.

Sessions hold ids only; what lives here is shared between people who look at the same thing. Models, masks and
embeddings are in the process that computes (`jobs.works.memory_cache`).
"""

from __future__ import annotations

from collections.abc import Mapping

from gaprune_viz.analysis.opening import Analysis, open_analysis
from gaprune_viz.analysis.sources.alignment import SourceAlignment
from gaprune_viz.app.session.access import visitor
from gaprune_viz.config import ModelSpec, Settings, Structure, task_source
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.mteb.estimate import Speed
from gaprune_viz.evaluation.task_sources import load_task, task_stamp
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.evaluation.timing.latency_curve import Curve
from gaprune_viz.jobs.works.disk_cache import curve_of, kept_outline
from gaprune_viz.jobs.works.lru_cache import Cache
from gaprune_viz.jobs.works.memory_cache import Counted, Under, dense_under, kept_under, masks_under
from gaprune_viz.masking.neuron_masks import Losses
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.sources import parameter_count
from gaprune_viz.pruning.structured.outline import Outline, named_targets, outline_of
from gaprune_viz.pruning.structured.size_estimate import Foreseen, preview_cut
from gaprune_viz.sketch.preview import Preview


class Store:
    """All caches of the process."""

    def __init__(self) -> None:
        self._outlines: Cache[EmbeddingModel] = Cache(1)
        self._sizes: Cache[int] = Cache(32)
        self._analyses: Cache[Analysis] = Cache(8)
        self._previews: Cache[Preview] = Cache(16)
        self._cuts: Cache[tuple[Preview, Foreseen]] = Cache(16)
        self._structures: Cache[Outline] = Cache(32)
        self._guessed: Cache[Outline] = Cache(32)
        self._curves: Cache[Curve] = Cache(32)
        self._counted: Cache[Counted] = Cache(64)
        self._tasks: Cache[RetrievalTask] = Cache(12)
        self._speeds: Cache[Speed] = Cache(32)
        self._agreements: Cache[SourceAlignment] = Cache(16)

    def clear(self) -> None:
        """Let go of everything; who uses a part of it keeps it."""
        for cache in vars(self).values():
            cache.clear()

    def check_model(self, spec: ModelSpec) -> None:
        """Refuse a model that the visitor may not use, or that is too large for him."""
        access = visitor().access
        access.check_model(spec)
        if access.spec.public:
            access.check_size(self._sizes.get(spec.key(), lambda: parameter_count(spec)))

    def outline(self, spec: ModelSpec) -> EmbeddingModel:
        """Tokenizer, prompts and shapes of a model, without its weights, where the visitor may use it."""
        self.check_model(spec)
        return self._outlines.get(spec.key(), lambda: load_model(spec, weights=False))

    def analysis(self, name: str) -> Analysis:
        """An analysis by its id, where the visitor may see it; `demo` is the bundled one."""
        folder = visitor().folder(name)
        return self._analyses.get(str(folder), lambda: open_analysis(folder))

    def check_task(self, source: str | None) -> str:
        """Refuse a retrieval task that the visitor may not read; its source."""
        if not source:
            raise GapruneError("No collection is chosen.", "Choose one in the Retrieval tab.")
        visitor().check_source(task_source(source)[0])
        return source

    def task(self, source: str | None) -> RetrievalTask:
        """A retrieval task by its source, where the visitor may read it."""
        source = self.check_task(source)
        return self._tasks.get((source, task_stamp(source)), lambda: load_task(source))

    def preview(self, analysis: Analysis, settings: Settings) -> Preview:
        """What the sketch says of some settings: one answer for all handlers that follow a slider's move."""
        key = (id(analysis), *kept_under(analysis, settings))
        return self._previews.get(key, lambda: analysis.live.preview(settings))

    def structures(self, analysis: Analysis) -> Outline:
        """What could be taken out of an analysed model.

        Until the process that computes has counted it, it is told from the model's files without the weights: the
        matrices are then known by the roles that the analysis found, and beyond its scope by their usual names.

        Raises:
            GapruneError: the model's files are gone, or the visitor may not use it.
        """
        spec, key = analysis.run.model, dense_under(analysis)
        found = self._structures.peek(key)
        if found is None and (found := kept_outline(analysis.weights, spec)) is not None:
            self._structures.put(key, found)

        def guess() -> Outline:
            model = self.outline(spec)
            return outline_of(model, named_targets(model, {m.name: m.role for m in analysis.statistics.matrices}))

        return found or self._guessed.get(key, guess)

    def cut(self, analysis: Analysis, settings: Settings) -> tuple[Preview, Foreseen]:
        """The same as `preview` where structures go, and what will be left; once the cut was made, what it was.

        Raises:
            GapruneError: it cannot be cut so.
        """
        counted = self.counted(analysis, settings)
        exact = None if counted is None else counted.pruned_fraction
        outline = self.structures(analysis)
        key = (id(analysis), *kept_under(analysis, settings), id(outline), exact is not None)
        given = (analysis.live, analysis.statistics, outline, settings, exact)
        return self._cuts.get(key, lambda: preview_cut(*given))

    def curve(self, analysis: Analysis, structure: Structure) -> Curve | None:
        """How the model's time falls on this machine, where it was measured."""
        key = (*dense_under(analysis), structure)
        found = self._curves.peek(key)
        if found is None:
            found = curve_of(analysis.weights, analysis.run.model, structure)
            if found is not None:
                self._curves.put(key, found)
        return found

    def keep_curve(self, analysis: Analysis, curve: Curve) -> None:
        """Keep what was measured just now."""
        self._curves.put((*dense_under(analysis), curve.structure), curve)

    def count(self, found: Mapping[Under, Counted]) -> None:
        """Keep what some work has found out about exact masks."""
        for key, counted in found.items():
            self._counted.put(key, counted)

    def counted(self, analysis: Analysis, settings: Settings) -> Counted | None:
        """What the exact masks of some settings say, where they were made already."""
        return self._counted.peek(masks_under(analysis, settings))

    def losses(self, analysis: Analysis, settings: Settings) -> Losses | None:
        """What they do to rows and neurons, where they were made already."""
        found = self.counted(analysis, settings)
        return None if found is None else found.losses

    def keep_agreement(self, analysis: Analysis, found: SourceAlignment) -> None:
        """Keep how the sources of an analysis agree."""
        self._agreements.put(str(analysis.folder), found)

    def agreement(self, analysis: Analysis) -> SourceAlignment | None:
        """The same, where it was computed already."""
        return self._agreements.peek(str(analysis.folder))

    def keep_speed(self, analysis: Analysis, speed: Speed) -> None:
        """Keep how fast the dense model of an analysis reads here."""
        self._speeds.put(dense_under(analysis), speed)

    def speed(self, analysis: Analysis) -> Speed | None:
        """The same, where it was measured already."""
        return self._speeds.peek(dense_under(analysis))


STORE = Store()
