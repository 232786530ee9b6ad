"""`python packaging/image …`: run as a folder, because the name `packaging` belongs to a library."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from image.commands import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
