#!/bin/sh
# Start Valkey or Redis, without files. PASSWORD_FILE holds the password, arguments are options of the server.
set -eu
umask 077

digest=$(tr -d '\r\n' < "$PASSWORD_FILE" | sha256sum | cut -d ' ' -f 1)
printf 'user default on #%s ~novacron:* &* +@all -@admin -@dangerous\n' "$digest" > /tmp/users.acl
exec "$(command -v valkey-server || command -v redis-server)" --dir /tmp --aclfile /tmp/users.acl \
    --save '' --appendonly no --maxmemory-policy allkeys-lru "$@"
