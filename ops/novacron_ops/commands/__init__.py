"""The commands of `novacron`, one module each.

Command modules import what they run inside their functions: help and usage errors do not wait for the engine to load.
"""
