"""The category of warnings about data that can be used, but where something follows from what is odd about it."""


class DataWarning(UserWarning):
    """Data that is taken as it is, although it is probably not what was meant."""
