"""What a model is: a class with hooks and typed parameters."""


class Model:
    """Base of every model."""
