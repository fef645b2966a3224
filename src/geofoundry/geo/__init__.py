"""Rasters and polygons on the ground: grids, windowed reading, map writing, vectors; numpy and rasterio, no torch."""
