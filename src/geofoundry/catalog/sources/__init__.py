"""Views of other libraries' names, read from their files without importing them."""
