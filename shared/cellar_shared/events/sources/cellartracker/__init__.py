"""The source `cellartracker`: whatever a member of CellarTracker exported becomes wines, bottles, ratings, notes and outcomes."""
