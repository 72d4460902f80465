"""From a bundle and a data folder to where every bottle stands: the night, its steps, and the model that answers for a wine."""
