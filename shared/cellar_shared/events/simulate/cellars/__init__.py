"""Cellars of a made-up world: how its wines truly age, what critics say, where bottles lie, what is found when they are opened."""
