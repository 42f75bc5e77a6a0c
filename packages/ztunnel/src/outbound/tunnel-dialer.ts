import { isIPv6 } from 'node:net';
import { type Cancellable, connectTunnel, type HandshakeHandler } from '@ambientmesh/hbone';
import { renderSpiffeId, verifyServerPeer } from '@ambientmesh/spiffe';
import { formatAddress } from '../address.ts';
import type { HeldCertificate } from '../data-plane/certificates.ts';
import { CONNECT_TIMEOUT_MS, withSocket } from '../data-plane/dial.ts';
import { refusedMeanwhile } from '../data-plane/peer-trust.ts';
import type { Pod } from '../data-plane/pod.ts';
import type { Upstream } from './upstream.ts';

type HboneUpstream = Extract<Upstream, { kind: 'hbone' }>;

/** Longer than any healthy handshake; the reference has no limit and leaks what never answers. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Makes tunnels from one pod to one next hop, for the pool. */
export class TunnelDialer {
  readonly #pod: Pod;
  readonly #certificate: HeldCertificate;
  readonly #upstream: HboneUpstream;

  constructor(pod: Pod, certificate: HeldCertificate, upstream: HboneUpstream) {
    this.#pod = pod;
    this.#certificate = certificate;
    this.#upstream = upstream;
  }

  /** What connections from `clientIp` must have in common to share a tunnel (spec hbone.md §6). */
  key(clientIp: string): string {
    const expected = this.#upstream.expected.map(renderSpiffeId).join(',');
    const identity = renderSpiffeId(this.#certificate.identity);
    return `${identity}|${expected}|${formatAddress(this.#upstream.nextHop)}|${clientIp}`;
  }

  /** Connects from the pod's own address and shakes hands. */
  dial(handler: HandshakeHandler): Cancellable {
    const { nextHop: to, expected } = this.#upstream;
    const { credentials, rootsPem } = this.#certificate;
    const { engine, revocations, trustedPeers } = this.#pod.context;
    const trust = { rootsPem, usage: 'server' } as const;
    const tls = {
      credentials,
      verify: (chain: readonly Uint8Array[]) => {
        const [leaf] = chain;
        if (leaf === undefined) return 'no certificate presented';
        return revocations.refusal(chain, trust) ?? verifyServerPeer(leaf, expected);
      },
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
    };
    const shaken: HandshakeHandler = {
      established: (secure) => {
        trustedPeers.admitted(secure, { identity: renderSpiffeId(this.#certificate.identity), ...trust });
        const lost = refusedMeanwhile(this.#pod.context, secure, trust.usage);
        if (lost === undefined) return handler.established(secure);
        secure.abort();
        handler.failed({ code: 'TLS', message: lost.message });
      },
      failed: (failure) => handler.failed(failure),
    };
    return withSocket(this.#pod, { family: isIPv6(to.ip) ? 6 : 4 }, handler, (descriptor) =>
      connectTunnel(engine, { descriptor, to, timeoutMs: CONNECT_TIMEOUT_MS }, tls, shaken),
    );
  }
}
