#!/bin/sh
# Runs once, when the database is made: its owner, who may make log-ins, and TimescaleDB.
set -eu
: "${LIFELINE_OWNER_PASSWORD_FILE:=/run/secrets/database_owner_password}"
export LIFELINE_OWNER_PASSWORD_FILE
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\set password `cat "$LIFELINE_OWNER_PASSWORD_FILE"`
CREATE ROLE lifeline LOGIN NOSUPERUSER CREATEROLE PASSWORD :'password';
CREATE DATABASE lifeline OWNER lifeline;
\connect lifeline
CREATE EXTENSION IF NOT EXISTS timescaledb;
SQL
