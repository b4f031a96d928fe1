#!/bin/sh
# Puts a deployment that `lifeline deploy init` made into its places on this machine. Safe to repeat: after
# `lifeline deploy acl` or `lifeline deploy certificates`, and after an upgrade. Starts nothing.
#
#   install.sh DEPLOYMENT [ROOT]      # ROOT: another root folder than /, to look at what it would do
set -eu
deployment=${1:?install.sh DEPLOYMENT [ROOT]}
root=${2:-}
here=$(cd "$(dirname "$0")" && pwd -P)
[ -f "$deployment/.env" ] || { echo "install.sh: no deployment in $deployment, try lifeline deploy init" >&2; exit 1; }

as() {  # file, place, mode, owner (the owner only where it is known)
    owned=
    [ "$(id -u)" = 0 ] && id "$4" >/dev/null 2>&1 && owned="-o $4 -g $(id -gn "$4")"
    # shellcheck disable=SC2086
    install -D -m "$3" $owned "$1" "$root$2"
}

# Units, account, journal.
for unit in "$here"/*.service "$here"/*.target; do as "$unit" "/etc/systemd/system/${unit##*/}" 0644 root; done
for part in "$here"/*.service.d/*.conf; do
    folder=${part%/*}
    as "$part" "/etc/systemd/system/${folder##*/}/${part##*/}" 0644 root
done
as "$here/sysusers.conf" /etc/sysusers.d/lifeline.conf 0644 root
as "$here/journald.conf" /etc/systemd/journald.conf.d/lifeline.conf 0644 root
as "$here/lifeline-admin" /usr/local/sbin/lifeline-admin 0755 root
[ -n "$root" ] || ! command -v systemd-sysusers >/dev/null 2>&1 || systemd-sysusers lifeline.conf

# Settings and secrets: each service is handed its own by systemd.
[ -e "$root/etc/lifeline/lifeline.env" ] || as "$here/lifeline.env" /etc/lifeline/lifeline.env 0644 root
[ -e "$root/etc/lifeline/notifier.env" ] || as "$deployment/notifier.env" /etc/lifeline/notifier.env 0600 root
for secret in "$deployment"/secrets/*; do as "$secret" "/etc/lifeline/secrets/${secret##*/}" 0600 root; done
chmod 0700 "$root/etc/lifeline/secrets"
as "$deployment/tls/ca.crt" /etc/lifeline/tls/ca.crt 0644 root
[ -d "$root/var/lib/lifeline" ] || install -d -m 0700 "$root/var/lib/lifeline"
[ -n "$root" ] || ! id lifeline >/dev/null 2>&1 || chown lifeline:lifeline /var/lib/lifeline
[ -e "$root/var/lib/lifeline/secret" ] || as "$deployment/secrets/links" /var/lib/lifeline/secret 0600 lifeline

# The broker and the database, each with its certificate. Where gateways have certificates, the broker asks for them and
# goes by the list of the revoked, and the recorder and `lifeline-admin` show their own.
as "$here/mosquitto.conf" /etc/mosquitto/conf.d/lifeline.conf 0644 root
for file in mosquitto/passwords mosquitto/acl tls/broker/server.crt tls/broker/server.key tls/ca.crt; do
    as "$deployment/$file" "/etc/mosquitto/lifeline/${file##*/}" 0600 mosquitto
done
if grep -q '^LIFELINE_CLIENT_CERTIFICATES=yes' "$deployment/.env"; then
    as "$deployment/tls/broker/revoked.crl" /etc/mosquitto/lifeline/revoked.crl 0600 mosquitto
    sed -n '/^# Gateways are who their certificates say/,${s|/mosquitto/tls/|/etc/mosquitto/lifeline/|;p}' \
        "$deployment/mosquitto/mosquitto.conf" >>"$root/etc/mosquitto/conf.d/lifeline.conf"
    for role in recorder tools; do
        as "$deployment/tls/$role/client.crt" "/etc/lifeline/tls/$role.crt" 0644 root
        as "$deployment/tls/$role/client.key" "/etc/lifeline/tls/$role.key" 0600 lifeline
    done
    [ -e "$root/etc/lifeline/recorder.env" ] ||
        printf 'LIFELINE_MQTT_%s=/etc/lifeline/tls/recorder.%s\n' CERTIFICATE crt KEY key >"$root/etc/lifeline/recorder.env"
fi
for file in server.crt server.key; do as "$deployment/tls/database/$file" "/etc/postgresql/lifeline/$file" 0600 postgres; done

# Addresses in the secrets name the services; here all of them are this machine.
hosts=$root/etc/hosts
grep -qs '# Lifeline$' "$hosts" || printf '127.0.0.1 database broker # Lifeline\n' >>"$hosts"
