"""The list of questions out to the site, and what comes back in it."""
