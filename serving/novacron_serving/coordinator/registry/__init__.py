"""Records that coordinators share (API keys, models, assignments), and the registration of workers."""
