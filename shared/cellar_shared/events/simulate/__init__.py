"""A made-up world of wines, members and ratings whose true chances are known; written by `cellar data simulate`."""
