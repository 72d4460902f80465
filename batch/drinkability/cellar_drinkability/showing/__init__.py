"""Shows a bottle's curve to a person: in the terminal, as SVG, as PNG."""
