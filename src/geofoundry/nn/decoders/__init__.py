"""Decoders: from a list of feature maps to one map."""
