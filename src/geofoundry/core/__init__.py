"""Ground floor, standard library only: errors, optional imports, suggestions, hashing, atomic files, progress."""
