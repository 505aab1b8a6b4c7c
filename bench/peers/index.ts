import { aedesPeer } from './aedes.ts';
import { mosquittoPeer } from './mosquitto.ts';
import type { Peer } from './peer.ts';
import { robustmqPeer } from './robustmq.ts';

/** Ratios are against this one. */
export const REFERENCE = 'Mosquitto';
export const OURS = 'RobustMQ';

export function allPeers(): Peer[] {
  return [robustmqPeer(), mosquittoPeer(), aedesPeer()];
}
