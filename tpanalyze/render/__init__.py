"""Renderers: each turns a report into text, and knows nothing of the others."""
