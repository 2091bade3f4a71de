"""Which worker gets which request, and when."""
