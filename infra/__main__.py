import sys
from pathlib import Path

# The folder is the plugin: it need not be installed.
sys.path.insert(0, str(Path(__file__).parent))

from novacron_infra.multi_language.provider import serve

if __name__ == "__main__":
    serve()
