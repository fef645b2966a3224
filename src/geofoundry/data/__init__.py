"""Labelled rasters as training data: specifications, checks, statistics, datasets, datamodules."""
