"""`python -m facetrust` is `facetrust`."""

import sys

from facetrust.cli import main

if __name__ == "__main__":
    sys.exit(main())
