/**
 * Says why a peer whose chain leads to a trusted root is refused, or undefined to accept it. Certificates are DER, leaf
 * first. Who throws refuses.
 */
export type VerifyPeer = (peerChain: readonly Uint8Array[]) => string | undefined;

/** What `verify` says; fails closed. */
export function callVerify(verify: VerifyPeer | undefined, peerChain: readonly Uint8Array[]): string | undefined {
  try {
    return verify?.(peerChain);
  } catch (error) {
    return `verify failed: ${error instanceof Error ? error.message : String(error)}`;
  }
}
