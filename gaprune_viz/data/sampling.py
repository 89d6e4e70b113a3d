"""Which triplets, or plain texts, stand for all of them."""

from __future__ import annotations

import itertools

import numpy as np

from gaprune_viz.config import Sampling
from gaprune_viz.data.schema import Embed, PlainText, Samples
from gaprune_viz.errors import GapruneError

MINI_BATCH_ROWS = 20_000
_BLOCK_DISTANCES = 16 * 1024 * 1024


def choose(triplets: Samples, samples: int, sampling: Sampling, seed: int, embed: Embed) -> list[int]:
    """Indices of the triplets or plain texts to calibrate on, ascending and each once.

    `kmeans` is the paper's representative sampling (arXiv 2509.10844): k-means on the
    query embeddings with k = samples, and the real query nearest to each centroid; of plain texts, on their own.

    Args:
        samples: how many; where there are no more than that, all are taken.
        embed: called only for `kmeans`, and only where there are more triplets than samples.

    Raises:
        GapruneError: for fewer than two samples, or embeddings that are no finite numbers.
    """
    if samples < 2:
        raise GapruneError(f"{samples} samples are too few.", "Use at least 2; 64 already show the picture.")
    if sampling is Sampling.ALL or samples >= len(triplets):
        return list(range(len(triplets)))
    if sampling is Sampling.RANDOM:
        drawn = np.random.default_rng(seed).choice(len(triplets), size=samples, replace=False)
        return sorted(int(index) for index in drawn)
    queries, kind = [t.text if isinstance(t, PlainText) else t.query for t in triplets], "query"
    if isinstance(triplets[0], PlainText):
        kind = "passage"
    embeddings = np.ascontiguousarray(embed(queries, kind), dtype=np.float32)
    if embeddings.shape[0] != len(queries) or not np.isfinite(embeddings).all():
        raise GapruneError("The model gives embeddings that are no finite numbers.", "Try float32, or another model.")
    # More clusters than different queries would leave some empty. Long queries may differ only after the cut.
    clusters = min(samples, len(set(queries)), len({row.tobytes() for row in embeddings}))
    return nearest_to_centroids(embeddings, _centroids(embeddings, clusters, seed), samples)


def _centroids(embeddings: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """[clusters, d] means of k-means clusters."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if len(embeddings) <= MINI_BATCH_ROWS:
        model = KMeans(clusters, n_init=1, random_state=seed)  # pyright: ignore[reportArgumentType]
    else:
        model = MiniBatchKMeans(
            clusters,
            n_init=1,  # pyright: ignore[reportArgumentType]
            random_state=seed,
            batch_size=4096,
            init_size=min(len(embeddings), 3 * max(clusters, 4096)),
        )
    return np.asarray(model.fit(embeddings).cluster_centers_)


def nearest_to_centroids(embeddings: np.ndarray, centroids: np.ndarray, samples: int) -> list[int]:
    """The row nearest to each centroid; where that is taken, the nearest one that is not.

    Args:
        embeddings: [n, d].
        centroids: [k, d], k at most `samples`; gone through again from the first until there are enough.
        samples: at most n.

    Returns:
        `samples` different indices, ascending. Of equally near rows the first is taken.
    """
    lengths = np.einsum("nd,nd->n", embeddings, embeddings)
    taken: dict[int, None] = {}
    crowded: list[int] = []
    block = max(1, _BLOCK_DISTANCES // len(embeddings))
    for start in range(0, len(centroids), block):
        distances = lengths - 2 * (centroids[start : start + block] @ embeddings.T)
        for offset, nearest in enumerate(distances.argmin(axis=1)):
            if int(nearest) in taken:
                crowded.append(start + offset)
            taken[int(nearest)] = None
    for centroid in itertools.chain(crowded, itertools.cycle(range(len(centroids)))):
        if len(taken) >= samples:
            break
        distances = lengths - 2 * (embeddings @ centroids[centroid])
        distances[list(taken)] = np.inf
        taken[int(distances.argmin())] = None
    return sorted(taken)
