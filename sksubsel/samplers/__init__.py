"""Subset samplers as functions of arrays: objectives, quotas, draws and greedy coverage."""
