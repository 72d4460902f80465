"""What words of other people's catalogues mean in cellar's tables, written down in JSON beside the code that reads it."""
