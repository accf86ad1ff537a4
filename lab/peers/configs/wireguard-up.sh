# As the page "Quick Start" of WireGuard has it, and the two half routes of its page about routing. The program's own socket is
# in /run, which is another one here: nothing of it stays.
set -e
mount -t tmpfs none /run
WG_PROCESS_FOREGROUND=1 wireguard-go -f wg0 &
while ! [ -S /run/wireguard/wg0.sock ]; do sleep 0.05; done
wg setconf wg0 @config@
ip address add @inner@ dev wg0
ip link set mtu 1420 up dev wg0
@routes@
echo "the tunnel is up" >&2
wait
