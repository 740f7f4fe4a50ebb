"""The stack in one command, and the root of the command line."""
