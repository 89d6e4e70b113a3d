"""What the page keeps between clicks: analyses, previews, tasks, what is known of masks, each in a bounded cache.

Sessions hold ids only; what lives here is shared between people who look at the same thing. Models, masks and
embeddings are in the process that computes (`jobs.works.kept`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from gaprune_viz.analysis.opening import Analysis, open_analysis
from gaprune_viz.app.session.access import visitor
from gaprune_viz.config import ModelSpec, Settings, task_source
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.mteb.estimate import Speed
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.jobs.works.cache import Cache
from gaprune_viz.jobs.works.kept import Counted, Under, kept_under, masks_under
from gaprune_viz.masking.neurons import Losses
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.memory import release
from gaprune_viz.models.sources import parameter_count
from gaprune_viz.sketch.preview import Preview


class Store:
    """All caches of the process."""

    def __init__(self) -> None:
        self._models: Cache[EmbeddingModel] = Cache(1)
        self._sizes: Cache[int] = Cache(32)
        self._analyses: Cache[Analysis] = Cache(8)
        self._previews: Cache[Preview] = Cache(16)
        self._counted: Cache[Counted] = Cache(64)
        self._tasks: Cache[RetrievalTask] = Cache(12)
        self._speeds: Cache[Speed] = Cache(32)

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
            self._models.clear()
            release()

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
        named = self.check_task(source)
        return self._tasks.get(named, lambda: load_task(named))

    def preview(self, analysis: Analysis, settings: Settings) -> Preview:
        """What the sketch says of some settings: one answer for all handlers that follow a slider's move."""
        key = (id(analysis), *kept_under(analysis, settings))
        return self._previews.get(key, lambda: analysis.live.preview(settings))

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

    def keep_speed(self, analysis: Analysis, speed: Speed) -> None:
        """Keep how fast the dense model of an analysis reads here."""
        self._speeds.put(analysis.run.model.key(), speed)

    def speed(self, analysis: Analysis) -> Speed | None:
        """The same, where it was measured already."""
        return self._speeds.peek(analysis.run.model.key())


STORE = Store()
