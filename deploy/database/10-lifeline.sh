#!/bin/sh
# Runs once, when the database is made: its owner, who may make log-ins, and TimescaleDB.
set -eu
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\set password `cat /run/secrets/database_owner_password`
CREATE ROLE lifeline LOGIN NOSUPERUSER CREATEROLE PASSWORD :'password';
CREATE DATABASE lifeline OWNER lifeline;
\connect lifeline
CREATE EXTENSION IF NOT EXISTS timescaledb;
SQL
