"""The NovaCron policy pack: CrossGuard policies for GPU environments."""
