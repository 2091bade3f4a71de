"""Writes the table of what each key changes again: `python -m tests.unit.key_changes [KEY…]`.

Without keys, every row: some 5 minutes of CPU. With keys, those rows and the ones that are missing.
"""

import gc
import sys

from tests.unit.key_changes.effects import write_table
from tests.unit.key_changes.examples import list_keys

if __name__ == "__main__":
    gc.freeze()
    write_table(sys.argv[1:] or list_keys())
