"""The `novacron` command as a module, for the fork server."""

from novacron_ops.entry import main

if __name__ == "__main__":
    main()
