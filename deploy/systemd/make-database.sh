#!/bin/sh
# Makes the database and its owner on this machine's PostgreSQL, once; safe to repeat. As root.
set -eu
etc=${LIFELINE_ETC:-/etc/lifeline}
psql=${LIFELINE_PSQL:-runuser -u postgres -- psql}
owner=${LIFELINE_OWNER:-lifeline}
password=$(cat "$etc/secrets/database_owner_password")
case $password in *[!A-Za-z0-9_-]*|"") echo "make-database.sh: not a password of lifeline deploy init" >&2; exit 1;; esac
cd /
# The password goes in by standard input: no list of processes shows it, and statements with it are not logged.
$psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=postgres <<SQL
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SELECT 'CREATE ROLE $owner LOGIN NOSUPERUSER CREATEROLE'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$owner') \\gexec
ALTER ROLE $owner PASSWORD '$password';
SELECT 'CREATE DATABASE $owner OWNER $owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$owner') \\gexec
REVOKE ALL ON DATABASE $owner FROM PUBLIC;
\\connect $owner
SELECT 'CREATE EXTENSION IF NOT EXISTS timescaledb'
WHERE EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') \\gexec
SQL
