"""Learn: the formula, what its parts mean, and what to be careful about."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.tabs.learn import view
from gaprune_viz.app.tabs.learn.lesson_panel import Lesson, build_lesson
from gaprune_viz.app.tabs.learn.texts import ABOUT, CITE, WORDS
from gaprune_viz.app.tour import STEPS
from gaprune_viz.app.widgets.elements import html
from gaprune_viz.app.widgets.events import Changes
from gaprune_viz.criteria.registry import criteria

LATEX = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]


@dataclass(frozen=True)
class LearnTab:
    """The components that follow the tuning bar, and the lesson."""

    formula: gr.Markdown
    signs: gr.HTML
    lesson: Lesson

    def open(self, shown: Shown) -> Changes:
        """The formula with the numbers of the selected matrix, and both signs of β."""
        return {self.formula: view.live_formula(shown), self.signs: view.signs_html(shown)}


def build(frame: Frame, shown: Shown) -> LearnTab:
    """Lay the tab out; the formula of the chosen criterion comes first and follows the tuning bar."""
    formula = gr.Markdown(view.formula_text("dai"), latex_delimiters=LATEX, elem_id="gv-formula")
    with gr.Row():
        with gr.Column(scale=3, min_width=340):
            gr.Markdown(ABOUT, latex_delimiters=LATEX, elem_classes=["gv-prose"])
        with gr.Column(scale=2, min_width=300):
            html(_tour_html(), elem_id="gv-new-here")
            gr.Code(CITE, language=None, label="Cite the paper", elem_id="gv-cite", wrap_lines=True)
            gr.Markdown("This page is not the authors' work.")
    lesson = build_lesson()
    signs = html(view.signs_html(shown), elem_id="gv-signs")
    html(_words_html(), elem_id="gv-glossary")
    with gr.Accordion("Every criterion", open=False):
        gr.Markdown(
            "\n\n".join(f"**{c.label}** (`{c.name}`): $${c.formula}$$ {c.source}." for c in criteria().values()),
            latex_delimiters=LATEX,
        )
    return LearnTab(formula, signs, lesson)


def _tour_html() -> str:
    return (
        f'<section class="gv-panel"><h3>New here?</h3><p class="gv-sub">{len(STEPS)} short steps through this page, '
        'with the real numbers of the analysis on screen.</p><p><button type="button" class="gv-tool gv-tool-main" '
        'data-gv="tour">Take the tour</button></p></section>'
    )


def _words_html() -> str:
    words = "".join(f"<div><dt>{escape(word)}</dt><dd>{escape(text)}</dd></div>" for word, text in WORDS.items())
    return f'<section class="gv-panel gv-words"><h3>Glossary</h3><dl>{words}</dl></section>'
