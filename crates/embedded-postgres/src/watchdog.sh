# Runs a server, and ends it when the process that started this script has ended.
#
#   sh -c THIS sh REMOVE SIGNAL LIMIT PROGRAM ARGUMENTS…
#
# Standard input is a pipe whose other end only the starting process holds, so the pipe is closed
# when this process ends in any way. The server then gets SIGNAL; if it still runs, SIGQUIT after
# LIMIT tenths of a second, and SIGKILL after LIMIT more. At the end the directory REMOVE is
# removed, unless it is empty text. The word `keep` on the pipe does the same, but removes nothing.
# The script writes the server's process id to standard output, and its exit status when it has
# ended. Standard error is the server's log; only the server keeps it open, because a lock on the
# log shows whether any process of the server is left.
exec 3<&0 0</dev/null
remove=$1 signal=$2 limit=$3
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
        [ "$waited" -eq "$limit" ] && kill -s QUIT "$server"
        [ "$waited" -ge $((limit * 2)) ] && kill -s KILL "$server"
    done
    [ "$word" = keep ]
) &
listener=$!

# A trapped signal ends `wait` early, so it is repeated until the server has really ended.
while :; do
    wait "$server"
    status=$?
    kill -s 0 "$server" || break
done
echo "$status"
exec 1>&-

if [ -z "$remove" ]; then
    kill -s TERM "$listener"
    exit 0
fi
while :; do
    wait "$listener"
    kept=$?
    kill -s 0 "$listener" || break
done
[ "$kept" -eq 0 ] || rm -rf "$remove"
