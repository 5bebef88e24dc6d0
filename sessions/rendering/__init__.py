"""Answers as HTML and as plain text: Markdown, formulas and code, with limits for any input."""
