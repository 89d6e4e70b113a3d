"""What the Domains tab shows of a map at a place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from gaprune_viz.app.tabs.domains.selection import REFIT, SHUFFLED, Place
from gaprune_viz.config import Settings, TransferSpec
from gaprune_viz.experiments.transfer.findings import (
    by_chance,
    control_sentence,
    draw_sentence,
    interval,
    kept_sentence,
    map_at,
    maps_of,
    overlap_sentence,
    pairing_words,
    reads_no_texts,
    verdict,
)
from gaprune_viz.experiments.transfer.plan import settings_of
from gaprune_viz.experiments.transfer.tables import shared_places
from gaprune_viz.figures.experiments.transfer import places_html, rank_table
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.formatting import percent, signed

Document = Mapping[str, Any]
Map = Mapping[str, Any]


def labels_of(document: Document) -> list[str]:
    """What the sources are called."""
    return [source["label"] for source in document["sources"]]


def map_of(document: Document, place: Place) -> Map:
    """The table that is looked at; `place` lies within the document."""
    found = map_at(
        document,
        place.row,
        float(place.sparsity),
        refit=place.kept == REFIT,
        shuffled=place.texts == SHUFFLED,
    )
    # Every row has every sparsity and arm that any has.
    return found or maps_of(document, place.row)[0]


def says_html(document: Document, place: Place) -> str:
    """The plain sentence, then what stands behind it."""
    refit, shuffled = place.kept == REFIT, place.texts == SHUFFLED
    one = map_of(document, place)
    told = [
        "" if reads_no_texts([one]) else pairing_words(one["advantage"]),
        kept_sentence(document, place.row, float(place.sparsity)),
        overlap_sentence(document, place.row, float(place.sparsity)),
        control_sentence(document),
        draw_sentence(document),
    ]
    if len(one["advantage"]["apart"]) > 1:
        told.append(f"By seed: {', '.join(signed(points, 1) for points in one['advantage']['apart'])} points.")
    lead = verdict(document, place.row, refit=refit, shuffled=shuffled).replace("`", "")
    return (
        panels.section_title("Does pruning for a domain differ from pruning in general?", _made_of(document))
        + panels.sentence_card(lead)
        + panels.sentence_list([sentence for sentence in told if sentence])
    )


def _made_of(document: Document) -> str:
    calibration = document["spec"]["calibration"]
    queries = ", ".join(f"{source['label']} {len(source['queries']):,}" for source in document["sources"])
    seeds = len(document["seeds"])
    drawn = "" if seeds == 1 else f", {seeds} seeds"
    return (
        f"{document['model']['label']}, scope {calibration['scope']}, {calibration['samples']} triplets a side{drawn}; "
        f"queries: {queries}"
    )


def detail_html(document: Document, place: Place) -> str:
    """The numbers of the chosen cell; what to do where none is chosen."""
    if place.sources is None:
        return panels.notice("Click a cell of the map to see its settings, its queries, and where the masks differ.")
    i, j = place.sources
    labels, one = labels_of(document), map_of(document, place)
    score, own = one["scores"][i][j], one["scores"][j][j]
    around = "no interval" if score["low"] is None else f"95 % {score['low']:.1f} to {score['high']:.1f}"
    gain = one["advantage"]["by_task"][j]
    cards = [
        panels.Card("Calibrated on", labels[i], "shuffled texts" if place.texts == SHUFFLED else "its own texts"),
        panels.Card("Measured on", labels[j], f"dense nDCG@10 {document['sources'][j]['ndcg_at_10']:.3f}"),
        panels.Card("Of dense", f"{score['of_dense']:.1f} %", around),
        panels.Card(f"Own calibration of {labels[j]}", f"{own['of_dense']:.1f} %", _against(score, own, i == j)),
        panels.Card(f"Advantage on {labels[j]}", f"{signed(gain['points'], 1)} points", f"95 % {interval(gain)}"),
        panels.Card("Pruned", percent(one["pruned"]), "and refitted" if place.kept == REFIT else "nothing else"),
    ]
    title = f"Calibrated on {labels[i]}, measured on {labels[j]}"
    return panels.section_title(title, settings_words(document, place)) + panels.stat_cards(cards)


def _against(score: Mapping[str, Any], own: Mapping[str, Any], same: bool) -> str:
    return "this cell" if same else f"{signed(score['of_dense'] - own['of_dense'], 1)} points in this cell"


def settings_words(document: Document, place: Place) -> str:
    """The settings of the table in words."""
    kept = " and a refit" if place.kept == REFIT else ""
    return f"{place.row} at {100 * float(place.sparsity):g} %{kept}, scope {document['spec']['calibration']['scope']}"


def settings_at(document: Document, place: Place) -> Settings:
    """The settings of the table that is looked at.

    Raises:
        GapruneError: the map has rows that are not known here.
    """
    spec = TransferSpec.parse(document["spec"])
    return settings_of(spec, place.row, float(place.sparsity), refit=place.kept == REFIT)


def differences_html(document: Document, place: Place) -> str:
    """Where the masks of the two sources differ; of a source's own cell, from all others on the mean."""
    if place.sources is None:
        return ""
    i, j = place.sources
    labels, one = labels_of(document), map_of(document, place)
    if i == j:
        title = f"Where the mask of {labels[i]} differs from the others"
    else:
        title = f"Where the masks of {labels[i]} and {labels[j]} differ"
    return places_html(shared_places(one, i, j), title, by_chance(float(place.sparsity)))


def query_table(document: Document, place: Place) -> pd.DataFrame | None:
    """Every query of the measured source with its ranks; None where there are none."""
    one = map_of(document, place)
    if place.sources is None or one["ranks"] is None:
        return None
    i, j = place.sources
    source, labels = document["sources"][j], labels_of(document)
    ranks = {label: one["ranks"][k][j] for k, label in enumerate(labels)}
    return rank_table(source["queries"], source["ranks"], ranks, labels[i])
