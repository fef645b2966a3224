"""Earth-observation foundation models, from weights on disk to an approved, deployable model."""

__version__ = "0.1.0"
