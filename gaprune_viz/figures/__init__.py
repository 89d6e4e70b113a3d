"""Data in, figure out: plotly figures, component properties and small HTML. No model, no gradio, no torch."""
