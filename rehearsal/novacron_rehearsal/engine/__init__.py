"""One run over a stack: what the program registers, what that means, and carrying it out."""
