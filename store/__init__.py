"""PostgreSQL: connections, migrations, named SQL, the journal, the register and the embedded server.

Schema `lifeline` is private to this program; schema `city` holds the views other people read. All modules are
synchronous (psycopg 3) and read no clock: time is an argument, and where the wall clock is meant (heartbeats) it is
the database's own `now()`.
"""
