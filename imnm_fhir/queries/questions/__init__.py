"""From findings to questions: one for each cause, with the cells it is about and what speaks for it."""
