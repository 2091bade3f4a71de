"""What each policy looks at: pure functions from a resource to the reasons why it is refused.

An unknown that could hide a violation is one (the message says how to make it plain). An unknown that is a reference to
something made in the same update (a key, a health check) is not: it will be there.
"""
