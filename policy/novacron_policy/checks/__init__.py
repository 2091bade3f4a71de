"""The checks of the policies: pure functions from a resource to the reasons why it violates a policy.

An unknown value that could hide a violation is a violation; its message says how to make the value plain. An unknown
that refers to a resource of the same update, such as a key or a health check, is not one, because it will exist.
"""
