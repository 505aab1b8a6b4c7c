#!/bin/sh
# The same with Mosquitto's command-line clients (Debian: apt-get install mosquitto-clients).
#   sh examples/mosquitto.sh [host] [port]
set -eu
host=${1:-localhost}
port=${2:-1883}

# A retained message is there for those who come later …
mosquitto_pub -h "$host" -p "$port" -V mqttv5 -q 1 -r -t sensors/cellar/temperature -m 14.1

# … as this subscriber does: it leaves after one message (-C 1).
mosquitto_sub -h "$host" -p "$port" -V mqttv5 -q 1 -t 'sensors/cellar/+' -C 1 -F '%t %p'

# Two members of a shared subscription divide the messages between them: run this in two terminals.
#   mosquitto_sub -h localhost -V mqttv5 -q 1 -t '$share/workers/jobs/#' -v

# An empty retained message removes the one that was kept.
mosquitto_pub -h "$host" -p "$port" -V mqttv5 -q 1 -r -n -t sensors/cellar/temperature
