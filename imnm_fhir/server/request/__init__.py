"""One request and all that may happen to it: addresses, attempts, retries, downloads, and plain words at its end."""
