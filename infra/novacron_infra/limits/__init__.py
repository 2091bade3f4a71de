"""Rules of the clouds for values that users write: tags, identities, names, sizes, versions and networks.

Each rule is here once. The configuration checks it before anything runs, and the components check it for programs that
use them without a configuration. The caller gives the path of the value, so that a message names what the user wrote.
"""
