"""How wine ages: temperature, bottle size, effective age, and the curve that says whether it is in its window. Pure arithmetic."""
