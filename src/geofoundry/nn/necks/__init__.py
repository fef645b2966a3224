"""Necks: what stands between a backbone's feature maps and a decoder."""
