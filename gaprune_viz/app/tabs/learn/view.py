"""The formula of the criterion in use, with the numbers of one weight in it."""

from __future__ import annotations

from gaprune_viz.app.frame.address import settings_query
from gaprune_viz.app.session.view import Shown, live
from gaprune_viz.app.tuning.controls import beta_note
from gaprune_viz.config import Settings, StructureSpec
from gaprune_viz.config.presets import preset
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.metrics import ROLE_LABELS
from gaprune_viz.figures.weights.compare import Column, multiples_html
from gaprune_viz.figures.weights.formula import dai_numbers, terms_list, verdict
from gaprune_viz.sketch.example import closest_call


def formula_text(name: str) -> str:
    """The formula of a criterion, for Markdown."""
    chosen = criterion(name)
    return f"### Now in use: {chosen.label}\n\n$${chosen.formula}$$\n\n{chosen.source}."


def live_formula(shown: Shown) -> str:
    """The formula of the criterion with the numbers of the closest call of the selected matrix, for Markdown."""
    preview, analysis = shown.now.preview, shown.now.analysis
    score = preview.settings.score
    if shown.now.cut is not None:
        return (
            f"{formula_text(score.criterion)}\n\n**Whole {shown.now.cut.noun} go.** The scores of all weights of one "
            "are added up, and those with the lowest sums are cut out. Set *Structure* to weights to see the numbers "
            "of a single weight."
        )
    index = analysis.statistics.names.index(shown.selected)
    weight = closest_call(analysis.live, preview, index)
    info = analysis.live.matrices[index]
    place = f"layer {info.layer}, {ROLE_LABELS[info.role]}, row {weight.row}, column {weight.column}"
    if score.criterion == "dai":
        numbers = dai_numbers(
            theta=weight.theta,
            domain=weight.fisher_domain,
            general=weight.fisher_general,
            s=weight.alignment,
            kappa=preview.kappa,
            power=score.fisher_power,
            alpha=score.alpha,
            beta=score.beta,
            gamma=score.gamma,
            score=weight.score,
        )
        worked = f"$${numbers}$$"
    else:
        worked = f"Its terms: {terms_list(weight.terms)}."
    return (
        f"{formula_text(score.criterion)}\n\n**With numbers.** The closest call among the sampled weights of "
        f"the selected matrix: {place}.\n\n{worked}\n\n"
        f"{verdict(weight.score, weight.threshold, pruned=weight.pruned)} Select another matrix in the Atlas, or move "
        "a slider, and the numbers change."
    )


def signs_html(shown: Shown) -> str:
    """The mask of the settings with β and with -β, side by side; of `balanced` where the criterion has no β."""
    settings = shown.settings.with_(structure=StructureSpec())
    if "beta" not in criterion(settings.score.criterion).knobs or settings.score.beta == 0:
        settings = preset("balanced").settings
    size = min(abs(settings.score.beta), 1.0)
    columns = [_signed(shown, settings, sign * size) for sign in (1, -1)]
    scores = (settings.score.with_(beta=beta) for beta in (size, -size))
    said = "".join(panels.notice(beta_note(settings.with_(score=score)).strip()) for score in scores)
    title = panels.section_title("The sign of β", "the share that each matrix loses; GAPrune as published subtracts")
    return title + said + multiples_html(columns, "pruned_fraction")


def _signed(shown: Shown, settings: Settings, beta: float) -> Column:
    changed = settings.with_(score=settings.score.with_(beta=beta))
    return Column(f"β {beta:+g}", "", settings_query(changed), {}, live(shown.view, changed).table)
