"""Admission of requests, their queues, and the choice of a worker."""
