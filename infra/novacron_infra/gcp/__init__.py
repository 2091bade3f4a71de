"""Google as components. Importing it loads Google's SDK and no other."""
