"""A collector's evening: an export of a cellar in; tonight's bottle, what is at risk, a plan of the coming years and a report out."""
