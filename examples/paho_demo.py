"""Subscribes, publishes once, prints what comes back, leaves.

    pip install paho-mqtt
    python examples/paho_demo.py [host] [port]
"""
import sys

import paho.mqtt.client as mqtt

host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 1883


def on_connect(client, userdata, flags, reason_code, properties):
    print("connected:", reason_code)
    client.subscribe("sensors/#", qos=1)


def on_subscribe(client, userdata, mid, reason_codes, properties):
    client.publish("sensors/attic/temperature", "17.3", qos=1)


def on_message(client, userdata, message):
    print(message.topic, message.payload.decode())
    if not message.retain:
        client.disconnect()


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.on_connect = on_connect
client.on_subscribe = on_subscribe
client.on_message = on_message
client.connect(host, port)
client.loop_forever()
