"""What goes wrong in the library, as exceptions that are also the fitting built-in ones."""
from __future__ import annotations

from typing import Any, NoReturn

from ._native import ffi, lib


class SutraError(Exception):
    """One line that names the file, tensor, field or item.

    status  name of the library's status: "SUTRA_E_IO"
    item    index of the input that is to blame, or None
    """

    status: str = "SUTRA_E_ARGUMENT"
    item: int | None = None


class ArgumentError(SutraError, ValueError):
    """An argument or a text is not valid."""


class NoMemoryError(SutraError, MemoryError):
    """An allocation failed."""


class FileError(SutraError, OSError):
    """A file or the hub could not be read or written."""


class FormatError(SutraError, ValueError):
    """A file is damaged or contradicts itself."""


class UnsupportedError(SutraError, NotImplementedError):
    """Valid, but not something that this build, model or device can do."""


class LimitError(SutraError, ValueError):
    """Over a limit: a text that is too long with truncation="error", a file that is too large."""


class NumericError(SutraError, ArithmeticError):
    """NaN or infinity where a vector should be."""


class DeviceError(SutraError, RuntimeError):
    """A device failed."""


class BusyError(SutraError, RuntimeError):
    """A queue is full."""


class TimeLimitError(SutraError, TimeoutError):
    """Not done in time."""


class CancelledError(SutraError, RuntimeError):
    """The work was given up."""


class VersionError(SutraError, RuntimeError):
    """Parts of the package do not fit together."""


_CLASSES: dict[int, type[SutraError]] = {
    lib.SUTRA_E_ARGUMENT: ArgumentError,
    lib.SUTRA_E_MEMORY: NoMemoryError,
    lib.SUTRA_E_IO: FileError,
    lib.SUTRA_E_FORMAT: FormatError,
    lib.SUTRA_E_UNSUPPORTED: UnsupportedError,
    lib.SUTRA_E_LIMIT: LimitError,
    lib.SUTRA_E_NUMERIC: NumericError,
    lib.SUTRA_E_DEVICE: DeviceError,
    lib.SUTRA_E_BUSY: BusyError,
    lib.SUTRA_E_TIMEOUT: TimeLimitError,
    lib.SUTRA_E_CANCELLED: CancelledError,
    lib.SUTRA_E_ABI: VersionError,
}


def error_of(status: int, err: Any, first: int = 0) -> SutraError:
    """The exception of a failed call; first: number of the call's input 0 among the user's."""
    message = ffi.string(err.message).decode("utf-8", "replace")
    item = None
    if err.has_item:
        item = first + err.item
        message = f"item {item}: {ffi.string(err.message + err.reason).decode('utf-8', 'replace')}"
    error = _CLASSES.get(status, SutraError)(message)
    error.status = ffi.string(lib.sutra_status_name(status)).decode()
    error.item = item
    return error


def fail(status: int, err: Any, first: int = 0) -> NoReturn:
    raise error_of(status, err, first)
