# Runs a server, and ends it when whoever started it is gone.
#
#   sh -c THIS sh DOOMED SIGNAL PATIENCE PROGRAM ARGUMENTS…
#
# Standard input is a pipe whose other end only the starter holds, so it ends with the starter,
# however that dies. Then the server gets SIGNAL, after PATIENCE tenths of a second SIGQUIT, and
# SIGKILL after as many again; and DOOMED, if it is not empty, is removed. The word `keep` on the
# pipe does the same without removing anything. Standard output gets the server's process id, and
# its exit status once it has ended. Standard error is the server's log; only the server keeps it
# open, since a lock on it tells whether any process of the server is left.
exec 3<&0 0</dev/null
doomed=$1 signal=$2 patience=$3
shift 3
"$@" 3<&- 1>&2 &
server=$!
exec 2>/dev/null
trap '' PIPE
trap 'kill -s "$signal" "$server"' HUP INT TERM
echo "$server"

(
    trap '' HUP INT
    word=
    read -r word <&3
    kill -s "$signal" "$server"
    waited=0
    while kill -s 0 "$server"; do
        sleep 0.1 || sleep 1
        waited=$((waited + 1))
        [ "$waited" -eq "$patience" ] && kill -s QUIT "$server"
        [ "$waited" -ge $((patience * 2)) ] && kill -s KILL "$server"
    done
    [ "$word" = keep ]
) &
listener=$!

# A trapped signal ends a wait early, so: until the server is really gone.
while :; do
    wait "$server"
    status=$?
    kill -s 0 "$server" || break
done
echo "$status"
exec 1>&-

if [ -z "$doomed" ]; then
    kill -s TERM "$listener"
    exit 0
fi
while :; do
    wait "$listener"
    kept=$?
    kill -s 0 "$listener" || break
done
[ "$kept" -eq 0 ] || rm -rf "$doomed"
