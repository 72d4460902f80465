"""The preference artefact as whoever answers with it opens it: the chance of a like, and what moves it between trainings."""
