"""What happened: tables of wines and ratings, their schemas, the sources they come from and the moments they count from."""
