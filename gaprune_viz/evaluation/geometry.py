"""The shape of an embedding space, and how far pruning moved it.

All inputs are float [n, d] with unit rows unless said otherwise; all sums are float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.ranking import top
from gaprune_viz.evaluation.tasks import RetrievalTask, TaskEmbeddings

ALL_PAIRS_UP_TO = 2_000
SAMPLED_PAIRS = 1 << 18
CELLS = 1 << 22


@dataclass(frozen=True)
class Drift:
    """How far texts moved: 1 - cos(dense, pruned), 0 where nothing changed, 1 where a text became orthogonal.

    Attributes:
        mean, p95: over the texts; p95 is the drift that 95 % of the texts stay below.
        per_text: float64 [n].
    """

    mean: float
    p95: float
    per_text: np.ndarray

    @property
    def mean_cosine(self) -> float:
        return 1 - self.mean


@dataclass(frozen=True)
class Projection:
    """Two spaces in the plane in which the dense one spreads most.

    Attributes:
        dense, pruned: float64 [n, 2].
        explained: share of the dense variance along each of the two axes.
    """

    dense: np.ndarray
    pruned: np.ndarray
    explained: tuple[float, float]


@dataclass(frozen=True)
class SpaceMeasures:
    """One model's space. Lower uniformity is more evenly spread; lower alignment is closer pairs."""

    uniformity: float
    alignment: float
    effective_rank: float


@dataclass(frozen=True)
class Geometry:
    """A dense and a pruned space of one task: passages, and queries with their relevant passages."""

    dense: SpaceMeasures
    pruned: SpaceMeasures
    neighbour_overlap_at_10: float
    drift: Drift


def measure(task: RetrievalTask, dense: TaskEmbeddings, pruned: TaskEmbeddings, *, seed: int = 0) -> Geometry:
    """Uniformity, effective rank, neighbour overlap and drift of the passages; alignment of the relevant pairs.

    Raises:
        GapruneError: where the task has fewer than two passages or no relevant pair.
    """
    position = {passage.id: i for i, passage in enumerate(task.corpus)}
    pairs = [(row, position[id]) for row, qid in enumerate(task.queries) for id in task.relevant(qid) if id in position]
    if not pairs:
        raise GapruneError(
            f"{task.name!r} has no query with a relevant passage.", "Give at least one query a judgement above 0."
        )
    rows, columns = np.array(pairs).T

    dense, pruned = dense.directions, pruned.directions

    def space(embeddings: TaskEmbeddings) -> SpaceMeasures:
        return SpaceMeasures(
            uniformity(embeddings.corpus, seed=seed),
            alignment(embeddings.queries[rows], embeddings.corpus[columns]),
            effective_rank(embeddings.corpus),
        )

    return Geometry(
        space(dense), space(pruned), neighbour_overlap(dense.corpus, pruned.corpus), drift(dense.corpus, pruned.corpus)
    )


def uniformity(embeddings: np.ndarray, *, seed: int = 0) -> float:
    """log E exp(-2 ||x - y||^2) over pairs of different texts (Wang and Isola, ICML 2020, section 4.1.2, t = 2).

    0 where all texts are in one place; lower is more evenly spread. All pairs up to 2,000 texts, above that
    262,144 pairs drawn with `seed` (a relative error of the mean of about 0.2 %).

    Raises:
        GapruneError: for fewer than two texts.
    """
    n = _at_least_two(embeddings)
    x = embeddings.astype(np.float64)
    if n <= ALL_PAIRS_UP_TO:
        squared = _all_squared_distances(x)
    else:
        squared = _some_squared_distances(x, np.random.default_rng(seed))
    return float(np.log(np.exp(-2 * squared).mean()))


def _all_squared_distances(x: np.ndarray) -> np.ndarray:
    """[n (n - 1) / 2]"""
    lengths = np.square(x).sum(axis=1)
    squared = lengths[:, None] + lengths - 2 * (x @ x.T)
    return np.maximum(squared[np.triu_indices(len(x), k=1)], 0)


def _some_squared_distances(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[SAMPLED_PAIRS]"""
    first = rng.integers(0, len(x), SAMPLED_PAIRS)
    other = (first + rng.integers(1, len(x), SAMPLED_PAIRS)) % len(x)
    step = max(1, CELLS // x.shape[1])
    return np.concatenate(
        [
            np.square(x[first[start : start + step]] - x[other[start : start + step]]).sum(axis=1)
            for start in range(0, SAMPLED_PAIRS, step)
        ]
    )


def alignment(queries: np.ndarray, positives: np.ndarray) -> float:
    """E ||q - p||^2 over pairs that belong together (Wang and Isola, ICML 2020, section 4.1.1, exponent 2).

    Args:
        queries: [n, d]; row i belongs to row i of `positives`.
    """
    _same_shape(queries, positives)
    return float(np.square(queries.astype(np.float64) - positives).sum(axis=1).mean())


def effective_rank(embeddings: np.ndarray) -> float:
    """exp of the entropy of the normalised singular values (Roy and Vetterli, EUSIPCO 2007, definition 1).

    Between 1 (all texts on one line) and min(n, d); 0 for a matrix of zeros. Rows are not centred.
    """
    x = embeddings.astype(np.float64)
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x
    eigenvalues = np.linalg.eigvalsh(gram)
    # What lies below is rounding of the Gram matrix; its square root would count as a direction.
    noise = eigenvalues[-1] * len(gram) * np.finfo(np.float64).eps
    singular = np.sqrt(eigenvalues[eigenvalues > max(noise, 0.0)])
    if not len(singular):
        return 0.0
    p = singular / singular.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def neighbour_overlap(dense: np.ndarray, pruned: np.ndarray, k: int = 10) -> float:
    """Mean share of each text's k nearest texts (cosine, itself left out) that both spaces agree on, in 0..1.

    With k + 1 texts or fewer everything is everybody's neighbour and the answer is 1. Ties go to the earlier text.

    Args:
        dense: [n, d]. pruned: [n, e]; row i is the same text.

    Raises:
        GapruneError: for fewer than two texts.
    """
    n = _at_least_two(dense)
    if len(pruned) != n or k < 1:
        raise ValueError(f"need one pruned row per dense row and k >= 1; got {dense.shape}, {pruned.shape}, k={k}")
    k = min(k, n - 1)
    spaces = (dense.astype(np.float64), pruned.astype(np.float64))
    shared = 0
    step = max(1, CELLS // n)
    for start in range(0, n, step):
        # float32 makes equal texts equal again after float64 sums that end differently.
        blocks = [(x[start : start + step] @ x.T).astype(np.float32) for x in spaces]
        for offset in range(len(blocks[0])):
            for block in blocks:
                block[offset, start + offset] = -np.inf
            shared += len(np.intersect1d(*(top(block[offset], k) for block in blocks), assume_unique=True))
    return shared / (n * k)


def drift(dense: np.ndarray, pruned: np.ndarray) -> Drift:
    """1 - cosine of every text's dense and pruned embedding; 1 where one of them is zero.

    Args:
        dense, pruned: [n, d], n >= 1, rows of any length; row i is the same text.
    """
    _same_shape(dense, pruned)
    a, b = dense.astype(np.float64), pruned.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.divide((a * b).sum(axis=1), lengths, out=np.zeros(len(a)), where=lengths > 0)
    per_text = 1 - np.clip(cosines, -1, 1)
    return Drift(float(per_text.mean()), float(np.percentile(per_text, 95)), per_text)


def projection(dense: np.ndarray, pruned: np.ndarray) -> Projection:
    """Principal components 1 and 2 of the dense space, and both spaces in them.

    The axes are fitted on the dense texts alone, so that pruned points move and the map does not.

    Args:
        dense, pruned: [n, d], d >= 2; row i is the same text.

    Raises:
        GapruneError: for fewer than two texts, or where all dense texts are in one place.
    """
    from sklearn.decomposition import PCA

    _same_shape(dense, pruned)
    _at_least_two(dense)
    x = dense.astype(np.float64)
    if not np.ptp(x, axis=0).any():
        raise GapruneError("All texts have the same dense embedding: there is no map to draw.", "Choose another model.")
    # The covariance is the small side only where texts outnumber dimensions.
    pca = PCA(n_components=2, svd_solver="covariance_eigh" if len(x) >= x.shape[1] else "full").fit(x)
    first, second = pca.explained_variance_ratio_
    return Projection(pca.transform(x), pca.transform(pruned.astype(np.float64)), (float(first), float(second)))


def _at_least_two(embeddings: np.ndarray) -> int:
    if len(embeddings) < 2:
        raise GapruneError("The shape of a space needs at least two texts.", "Choose data with more passages.")
    return len(embeddings)


def _same_shape(a: np.ndarray, b: np.ndarray) -> None:
    if a.ndim != 2 or a.shape != b.shape or not len(a):
        raise ValueError(f"need two arrays of one shape [n, d], n >= 1; got {a.shape} and {b.shape}")
