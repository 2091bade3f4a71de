#!/bin/sh
# Start Postgres. The first start creates the role and the database `novacron`; every start sets the role's password.
# PGDATA is the folder of the files, PASSWORD_FILE holds the password, arguments are options of the server.
set -eu
umask 077

# Run SQL commands, one a line, on the files themselves. A failed command ends the script, and is not logged: it may
# have the password.
execute() {
    postgres --single -D "$1" -c exit_on_error=on -c log_min_error_statement=panic postgres > /dev/null
}

if [ ! -d "$PGDATA" ]; then
    # The folder gets its name once it is complete, so an interrupted start begins again.
    rm -rf "$PGDATA.new"
    initdb --pgdata="$PGDATA.new" --username=postgres --auth=reject --encoding=UTF8 --locale=C.UTF-8 --data-checksums
    printf 'CREATE ROLE novacron LOGIN\nCREATE DATABASE novacron OWNER novacron\n' | execute "$PGDATA.new"
    sync
    mv "$PGDATA.new" "$PGDATA"
fi
# The kubelet gives volumes to the pod's group, and Postgres refuses files that a group can write.
chmod 700 "$PGDATA"

password=$(sed "s/'/''/g" "$PASSWORD_FILE")
printf "ALTER ROLE novacron PASSWORD '%s'\n" "$password" | execute "$PGDATA"

# Processes in the container own the files anyway. Everyone else needs the password.
printf 'local all all trust\nhost novacron novacron all scram-sha-256\n' > /tmp/pg_hba.conf
exec postgres -D "$PGDATA" -c hba_file=/tmp/pg_hba.conf -c unix_socket_directories=/tmp "$@"
