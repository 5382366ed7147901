"""The query loop: what a site is asked, what it answers, and what is remembered."""
