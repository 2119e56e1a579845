"""What the kernels of the chapters run with, and how they ended: for `make test` and for `make execute`."""

from __future__ import annotations

import signal

from jupyter_client.manager import KernelManager

#: What the Makefile exports, and says why; for a `pytest` without it.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "PYTHONWARNINGS": "ignore::DeprecationWarning:zmq,ignore:CUDA initialization",
}


def the_kernel_died(manager: KernelManager) -> str:
    """One sentence about a kernel that is no longer alive: the signal or the exit status with which it ended."""
    status = manager.provisioner.process.returncode
    how = f"by signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"with exit status {status}"
    return f"the kernel died {how}"
