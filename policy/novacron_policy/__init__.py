"""NovaCron policies: a CrossGuard pack for GPU environments."""
