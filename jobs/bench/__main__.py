"""`python -m jobs.bench NAME`: one measurement."""

import sys

from jobs.bench import main

if __name__ == "__main__":
    sys.exit(main())
