"""The exit codes of the command line, beside 0 for done."""

FAILED = 1
USAGE = 2
INTERRUPTED = 130  # what a shell reports for SIGINT
BROKEN_PIPE = 141  # and for SIGPIPE
