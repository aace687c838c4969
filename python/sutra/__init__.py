"""Text embeddings: `from sutra import Model`. docs/PYTHON.md says how it is used and how it differs from
sentence-transformers."""
from . import _native
from .exceptions import (ArgumentError, BusyError, CancelledError, DeviceError, FileError, FormatError, LimitError,
                     NoMemoryError, NumericError, SutraError, TimeLimitError, UnsupportedError, VersionError)
from .hub import list_models, pull
from .model import Model
from .chunks import Chunk
from .quantize import quantize
from .search import Hits, Search
from .tokenizer import Encoding, Tokenizer
from .vectors import find_ranges, quantize_embeddings, similarity

__version__ = _native.ffi.string(_native.lib.sutra_version()).decode()

__all__ = ["ArgumentError", "BusyError", "CancelledError", "Chunk", "DeviceError", "Encoding", "FileError", "FormatError", "Hits",
           "LimitError", "Model", "NoMemoryError", "NumericError", "Search", "SutraError", "TimeLimitError", "Tokenizer",
           "UnsupportedError", "VersionError", "find_ranges", "list_models", "pull", "quantize", "quantize_embeddings", "similarity"]
