"""Style check for English: finds banned phrases in what people read. `phrases.yaml` has the rules."""
