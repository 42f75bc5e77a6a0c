import type { Secure, TunnelPool } from '@ambientmesh/hbone';
import type { ConnectionError } from '../telemetry/connection-record.ts';
import type { DataPlaneContext } from './context.ts';
import { REVOKED, UNTRUSTED } from './pod.ts';
import type { PeerTrust } from './revocations.ts';

type Trust = Pick<DataPlaneContext, 'revocations' | 'trustedPeers'>;

/** Why the peer of a running tunnel is not to be trusted any more, if so. Expiry alone is no reason. */
export function lostTrust({ revocations, trustedPeers }: Trust, secure: Secure): ConnectionError | undefined {
  if (revocations.hasRevoked(secure)) return REVOKED;
  return trustedPeers.hasLost(secure) ? UNTRUSTED : undefined;
}

/**
 * Why a tunnel must end before it runs: lists or roots have changed since its peer was asked about in the handshake. Counted as
 * a refused handshake.
 */
export function refusedMeanwhile(
  { revocations, trustedPeers }: Trust,
  secure: Secure,
  usage: PeerTrust['usage'],
): ConnectionError | undefined {
  if (revocations.refusesMeanwhile(secure, usage)) return REVOKED;
  return trustedPeers.hasLost(secure) ? UNTRUSTED : undefined;
}

/** Drops the pool's connections to servers that are not to be trusted any more, one a step; their streams fail. */
export function* cutUntrustedTunnels(pool: TunnelPool, trust: Trust): Generator<void> {
  for (const connection of pool.connections) {
    const reason = lostTrust(trust, connection.secure);
    if (reason !== undefined) connection.abort({ code: 'ABORTED', message: reason.message });
    yield;
  }
}
