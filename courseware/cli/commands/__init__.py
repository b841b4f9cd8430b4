"""One module a command: EXAMPLES, `arguments(parser)` and `run(options) -> exit code`."""
