"""The query loop: what a site is asked, what it answers, and what is remembered.

Asking: `found` and `causes` make queries (`model`) of findings, with `evidence`, the site's own
`headers` and what is configured (`configuration`); `asking` is one round. The list goes out by
`listing` (`columns`), comes back by `filled`, and `importing` puts the answers into the `log`.
`states` says where every query stands, `answers` which answer counts, `conflicts` what contradicts;
`proposed_lines` are answers about whole columns. `status`, `chart`, `audit` and `signing` are for
people. `packets` travel between a pool and a site, where `locate` finds the cells.
"""
