"""What it takes to start torch and TensorFlow in one process: no crash, and no noise."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType


def shield_triton() -> None:
    """Load triton's library in such a way that TensorFlow cannot break it, in whatever order the two are imported.

    The torch that pip installs on Linux comes with triton, and imports it when the first optimiser is made, or earlier:
    `torch._dynamo`, Lightning and the Trainer of Transformers import it, and this must be called before. TensorFlow
    makes its symbols global (RTLD_GLOBAL), those of its LLVM and MLIR among them. A triton loaded after it takes some
    18,000 of them for its own, and the process ends with a segmentation fault (seen with torch 2.13.0+cu130, triton
    3.7.1 and tensorflow 2.21.0 on Python 3.12.1 and 3.13.0).

    With RTLD_DEEPBIND a library looks for symbols in itself first. A process loads a library only once, so a triton
    that is imported later finds this one. Its Python part is not imported: this takes some 0.03 seconds. Where there
    is no triton, or no RTLD_DEEPBIND, as outside Linux, nothing happens.
    """
    spec = find_spec("triton") if hasattr(os, "RTLD_DEEPBIND") else None
    for folder in (spec and spec.submodule_search_locations) or ():
        for library in Path(folder).glob("_C/libtriton*.so"):
            # A library that cannot be loaded cannot crash: torch then does without triton.
            with contextlib.suppress(OSError):
                ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_DEEPBIND)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send the error stream (file descriptor 2) to nowhere while TensorFlow starts.

    TensorFlow writes there before any setting can stop it. Python's own exceptions are raised as ever. Afterwards the
    stream and the environment are as they were; a closed stream is closed again.

    TensorFlow reads TF_CPP_MIN_LOG_LEVEL once, when it is loaded, and keeps it: here it is 2, so that warnings about
    the processor stay away for good, while errors are shown later on. A level of the user's own is kept.
    """
    level = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = level or "2"
    try:
        kept = os.dup(2)
    except OSError:
        kept = None
    _flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        _flush()
        if kept is None:
            os.close(2)
        else:
            os.dup2(kept, 2)
            os.close(kept)
        if nowhere != 2:  # a closed stream's number is the first that is free
            os.close(nowhere)
        if level is None:
            del os.environ["TF_CPP_MIN_LOG_LEVEL"]


def import_tensorflow() -> ModuleType:
    """TensorFlow, imported quietly. It looks for a GPU once, and complains where there is no driver: here, unheard."""
    with quiet():
        import tensorflow

        tensorflow.config.list_physical_devices()
    return tensorflow


def _flush() -> None:
    """Let Python write what it has kept back for the error stream; there may be no such stream."""
    if sys.stderr is not None and not sys.stderr.closed:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
