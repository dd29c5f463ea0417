"""``python -m iii_actors``: the same as the command ``iii-actors``."""

import sys

from iii_actors.cli import main

if __name__ == "__main__":
    sys.exit(main())
