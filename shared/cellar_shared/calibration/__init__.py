"""How honest probabilities are, and what makes them so."""
