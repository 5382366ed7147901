"""Resources of any origin as the cohort's rows: one by one by `match`, in bulk where the lines allow it."""
