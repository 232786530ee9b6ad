"""The one place that states the product's version."""

__version__ = "0.1.0"
