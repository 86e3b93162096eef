"""Runs by the dozen: a worker process each, the plan of a sweep, and what a user sees of it."""
