"""Heads: from a decoder's map to what the task asks for."""
