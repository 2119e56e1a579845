"""Run one script of this folder with whatever Python and packages are here, and print what it saw as JSON.

    python history/observe.py doc001

It works on Python 3.6 to 3.13 and imports nothing of the book: interpreters of 2018 cannot. The output has a line of
its own, marked, because old TensorFlow prints to the same stream.
"""

import importlib
import json
import os
import platform
import sys
import warnings

MARK = "OBSERVED "
PACKAGES = "tensorflow", "keras", "torch", "jax", "sklearn", "numpy"


def versions():
    """The packages that the script has loaded, with their versions."""
    loaded = [name for name in PACKAGES if name in sys.modules]
    found = {name: str(getattr(sys.modules[name], "__version__", "")) for name in loaded}
    return {name: version for name, version in found.items() if version}


def main():
    """Run the script that the command line names."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    warnings.simplefilter("ignore")
    result = importlib.import_module(sys.argv[1]).observe()
    found = {"python": platform.python_version(), "versions": versions(), "result": result}
    print("\n" + MARK + json.dumps(found, sort_keys=True))


if __name__ == "__main__":
    main()
