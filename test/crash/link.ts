/** One connection of a client that decides about every packet itself: CONNECT, then packets as they come. */
import { connect as connectSocket } from 'node:net';
import type { Address } from '../support/raw-client.ts';
import { decodeServerPacket, type PacketOf, type ServerPacket } from '../support/server-packet.ts';
import * as wire from '../support/wire.ts';

export interface Link {
  readonly isOpen: boolean;
  send(bytes: Uint8Array): void;
  /** Without DISCONNECT, as a lost network does. */
  cut(): void;
}

export interface LinkEvents {
  onConnack(packet: PacketOf<'connack'>, link: Link): void;
  onPacket(packet: ServerPacket, link: Link): void;
  /** What the broker sent is no MQTT. */
  onWrongBytes(reason: string): void;
}

/** Resolves when the connection has ended, whoever ended it. */
export function runLink(address: Address, options: wire.ConnectOptions, events: LinkEvents): Promise<void> {
  return new Promise((resolve) => {
    const socket = connectSocket(address);
    socket.setNoDelay(true);
    let tail: Buffer = Buffer.alloc(0);
    let isOpen = true;
    const link: Link = {
      get isOpen() {
        return isOpen;
      },
      send(bytes) {
        if (isOpen) socket.write(bytes);
      },
      cut() {
        isOpen = false;
        socket.destroy();
      },
    };
    socket.on('connect', () => socket.write(wire.connect(options)));
    socket.on('data', (chunk) => {
      tail = tail.length === 0 ? chunk : Buffer.concat([tail, chunk]);
      try {
        while (isOpen) {
          const packet = decodeServerPacket(tail, options.version ?? 5);
          if (packet === undefined) break;
          tail = tail.subarray(packet.frame.length);
          if (packet.type === 'connack') events.onConnack(packet, link);
          else events.onPacket(packet, link);
        }
      } catch (error) {
        events.onWrongBytes(String(error));
        link.cut();
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      isOpen = false;
      resolve();
    });
  });
}
