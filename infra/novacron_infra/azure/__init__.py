"""Azure as components. Importing it loads Azure's SDK and no other."""
