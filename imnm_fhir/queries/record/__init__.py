"""What is remembered: the log, the answers in it, the state of every query, who signed."""
