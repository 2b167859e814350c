"""The exit codes of the command line."""

FAILED = 1
USAGE = 2
INTERRUPTED = 130  # what a shell reports for SIGINT
BROKEN_PIPE = 141  # and for SIGPIPE
MEANINGS = {
    0: "done",
    FAILED: "it failed",
    USAGE: "the call or a file is off",
    INTERRUPTED: "interrupted",
    BROKEN_PIPE: "whoever read the output has left",
}
"""What each says, for people."""
