"""The workers that a coordinator knows, and connections to them."""
