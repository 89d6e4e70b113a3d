"""Measures the rows of a frontier: quality of each in a process of its own, time of all of them in turn."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gaprune_viz.analysis.exact_scores import load_dense
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES, FrontierSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.retrieval import Evaluation, evaluate
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import COSINE, TaskEmbeddings
from gaprune_viz.evaluation.timing.workloads import milliseconds, texts_of
from gaprune_viz.experiments.cells import content_key, study_cells
from gaprune_viz.experiments.frontier import fresh_process
from gaprune_viz.experiments.frontier.rows import Row
from gaprune_viz.experiments.frontier.static_model import save_static
from gaprune_viz.models.files.construction import constructing
from gaprune_viz.pruning.export import RESULT_FILE, is_structured, pruning
from gaprune_viz.pruning.model_folder import save_model, weight_bytes
from gaprune_viz.pruning.packing import packed_file_bytes
from gaprune_viz.storage.workspace import whole_folder

MODELS = "models"


class FrontierBench:
    """What the rows of one frontier share.

    Args:
        analysis: folder of a finished analysis.
        folder: where models and cells are kept.
    """

    def __init__(self, analysis: Path, spec: FrontierSpec, folder: Path) -> None:
        refuse_without_int8()
        self.analysis, self.spec, self.folder, self.store = analysis, spec, folder, study_cells(folder)
        self.statistics = Statistics.open(analysis)
        self.tasks = {side: load_task(name) for side, name in zip(SIDES, (spec.task, spec.general_task), strict=True)}
        self.dense = load_dense(self.statistics)

    def key(self, row: Row) -> str:
        """The name of a row's cell: a hash of all that determines its quality."""
        return content_key(
            {
                "frontier": row.content(),
                "analysis": self.statistics.document["key"],
                "weights": self.dense.weight_hash,
                "tasks": {side: task.content_hash for side, task in self.tasks.items()},
                **({} if self.similarity(row) == COSINE else {"similarity": self.similarity(row)}),
            }
        )

    def place(self, row: Row) -> Path:
        """The folder that a row is read from; of the dense model its own."""
        if row.settings is None and not row.static:
            return self.folder / MODELS / "dense"
        return self.folder / MODELS / row.folder

    def made(self, row: Row) -> Generator[Progress, None, dict[str, Any]]:
        """Write the folder of a row, where it is not there as these settings give it.

        Returns:
            what is told of it: how a cut was finished.
        """
        place, told = self.place(row), self.place(row) / "frontier.json"
        key = content_key({"made": {**row.content(), "int8": False}, "of": self.statistics.document["key"]})
        if told.is_file():
            found = json.loads(told.read_text(encoding="utf-8"))
            if found["key"] == key:
                return found
        found = {"key": key, "kept": ""}
        if row.settings is not None:
            document = yield from pruning(self.analysis, row.settings, place, model=self.dense)
            found["kept"] = document["structure"]["kept"] if "structure" in document else ""
        else:
            with whole_folder(place, marker="frontier.json") as folder:
                (save_static if row.static else _save_dense)(self.dense, folder)
                (folder / "frontier.json").write_text(json.dumps(found), encoding="utf-8")
        told.write_text(json.dumps(found) + "\n", encoding="utf-8")
        return found

    def measured(self, row: Row) -> Generator[Progress, None, dict[str, Any]]:
        """Make a row's model, let a fresh process embed both tasks with it, and say how well it answers.

        Returns:
            `ndcg_at_10` by side, `per_query` the same of each judged query, `bytes` of its weights, `packed_bytes`
            where zeros can be left out, `kept`.
        """
        found = yield from self.made(row)
        yield Progress(f"{row.label}: embedding in a fresh process", 0, 0, 0.0)
        answers, told = self._elsewhere(row)
        place = self.place(row)
        masked = (place / RESULT_FILE).is_file() and not is_structured(place)
        return {
            "row": row.name,
            "label": row.label,
            "ndcg_at_10": {side: answer.means["ndcg_at_10"] for side, answer in answers.items()},
            "per_query": {side: answer.scores["ndcg_at_10"].tolist() for side, answer in answers.items()},
            "bytes": told["bytes"] if row.int8 else weight_bytes(place),
            "packed_bytes": packed_file_bytes(place) if masked else None,
            "kept": found["kept"],
        }

    def _elsewhere(self, row: Row) -> tuple[dict[str, Evaluation], dict[str, Any]]:
        texts: dict[str, dict[str, list[str]]] = {"query": {}, "passage": {}}
        for side, task in self.tasks.items():
            texts["query"][side] = list(task.queries.values())
            texts["passage"][side] = [passage.embedding_text for passage in task.corpus]
        with tempfile.TemporaryDirectory() as out:
            by = self.similarity(row)
            given = {
                "folder": str(self.place(row)),
                "int8": row.int8,
                # A static model reads whole texts.
                "max_length": None if row.static else self.dense.max_length,
                "prompts": {"query": self.dense.query_prompt, "passage": self.dense.passage_prompt},
                "unit": by == COSINE,
                "texts": texts,
                "out": out,
            }
            command = [sys.executable, "-I", str(Path(fresh_process.__file__))]
            ran = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
            if ran.returncode:
                last = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
                raise GapruneError(
                    f"{row.label} cannot be read in a fresh process: {last}", f"Look at {self.place(row)}."
                )
            answers = {}
            for side, task in self.tasks.items():
                queries, corpus = (np.load(Path(out) / f"{side}-{kind}.npy") for kind in ("query", "passage"))
                answers[side] = evaluate(task, *TaskEmbeddings(queries, corpus, by))
        return answers, json.loads(ran.stdout.strip().splitlines()[-1])

    def similarity(self, row: Row) -> str:
        """By what a row's embeddings are compared: as its model says, a static one by the cosine."""
        return COSINE if row.static else self.dense.similarity

    def times_key(self, rows: list[Row]) -> str:
        """The name of the cell that holds all times: they count beside each other only."""
        return content_key({"times": [self.key(row) for row in rows], "rounds": self.spec.rounds})

    def times(self, rows: list[Row]) -> dict[str, Any]:
        """Encode the same texts with every row in turn; median milliseconds a text, by row, and keep them."""
        from sentence_transformers import SentenceTransformer

        models = {}
        for row in rows:
            with constructing():
                st = SentenceTransformer(str(self.place(row)), device="cpu", local_files_only=True).eval()
            if not row.static:
                st.max_seq_length = self.dense.max_length
            models[row.name] = fresh_process.eight_bits(st) if row.int8 else st
        found = milliseconds(models, self.samples(), self.spec.rounds)
        document = {"milliseconds": found, "threads": torch.get_num_threads(), "rounds": self.spec.rounds}
        return self.store.write(self.times_key(rows), document)

    def samples(self) -> dict[str, list[str]]:
        """Short texts, queries of the domain's task, and long ones; as many as the largest batch."""
        task = self.tasks["domain"]
        return texts_of(list(task.queries.values()), [passage.embedding_text for passage in task.corpus])


def refuse_without_int8() -> None:
    """Refuse before any work where torch cannot multiply in eight bits here.

    Raises:
        GapruneError: it has no engine for it.
    """
    if not [engine for engine in torch.backends.quantized.supported_engines if engine != "none"]:
        raise GapruneError(
            "This build of torch cannot multiply in eight bits: it has no quantized engine.",
            "Install torch for the processor: https://pytorch.org/get-started/locally.",
        )


def _save_dense(model: Any, folder: Path) -> None:
    save_model(folder, model)
