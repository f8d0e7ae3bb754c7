"""`python -m pixelrnn`, which is also what `torchrun -m pixelrnn` starts."""

import sys

from pixelrnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
