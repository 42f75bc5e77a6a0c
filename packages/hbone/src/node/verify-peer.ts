import type { TlsOptions } from '../engine.ts';

/**
 * Says why a peer whose chain leads to a trusted root is refused, or undefined to accept it: as a text, or as a `Refusal` of
 * @ambientmesh/spiffe. Certificates are DER, leaf first. Who throws refuses.
 */
export type VerifyPeer = TlsOptions['verify'];

/** What `verify` says; fails closed. */
export function callVerify(
  verify: VerifyPeer | undefined,
  peerChain: readonly Uint8Array[],
): ReturnType<TlsOptions['verify']> {
  try {
    return verify?.(peerChain);
  } catch (error) {
    return `verify failed: ${error instanceof Error ? error.message : String(error)}`;
  }
}
