"""The machine that builds, checks, runs and tracks the labs of a course."""
