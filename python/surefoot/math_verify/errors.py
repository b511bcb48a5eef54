"""The exception of math-verify's timeouts, for code that catches it: surefoot does not raise it."""

__all__ = ["TimeoutException"]


class TimeoutException(Exception):
    """Never raised: a comparison that meets its deadline is no match, or `ValueError` with `raise_on_error`."""
