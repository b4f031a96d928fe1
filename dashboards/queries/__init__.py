"""The SQL of the pages, on the public `city.*` views only.

How these are written, because Grafana rewrites them first (`dashboards.proof` does the same for the tests):

- A variable always stands as `${name:sqlstring}` inside `ARRAY[…]::text[]`: right quoting on every version, and an
  empty choice is an empty array instead of a syntax error.
- A macro's arguments end at the first closing parenthesis, so none has a parenthesis inside.
- A `time_series` query has a column named `time`, in ascending order.
- Exercises count nowhere; only lists of incidents show them, marked, after everything real.
- What is held back stands apart, and what cannot be seen is unknown: neither is ever counted as calm.
- Age is measured by `city.now()`, for a city may live on a faster clock; no column is an `interval`.
- Every query without rows in the city still returns what its panel needs to say so.
"""
