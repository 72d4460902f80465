"""What the models see: identities, running counts, histories as of a moment, features, and the one encoder."""
