"""What libraries raise when a file is damaged."""

__all__ = ["DAMAGE"]

# h5py raises SystemError where HDF5 fails while its lock is given back
DAMAGE = (
    OSError, RuntimeError, SystemError, ValueError, LookupError, TypeError, AttributeError,
    ArithmeticError, AssertionError, EOFError,
)  # fmt: skip
