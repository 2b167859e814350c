"""The command line: every verb, its exit codes, and what goes to which stream."""
