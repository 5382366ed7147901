"""The cohort's rows as resources: one by one by `fill`, in bulk by DuckDB, into NDJSON."""
