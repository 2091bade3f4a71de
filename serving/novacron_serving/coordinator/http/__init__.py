"""The API's port: connections of clients, and requests on the hot path."""
