"""Speed and memory, measured beside what a competent user would write instead. Never a test."""
