/** Why a peer is refused: a text, or a `Refusal` of @ambientmesh/spiffe. */
export type PeerRefusal =
  | string
  | {
      /** In the words of the mesh, for what the engine reports. */
      readonly certificateError: string;
      /** Stable name of the reason. */
      readonly code?: string | undefined;
      /** For people. */
      readonly message?: string | undefined;
    };

/**
 * Says why a peer whose chain leads to a trusted root is refused, or undefined to accept it. Certificates are DER, leaf
 * first. Who throws refuses, and so does who answers anything else: a promise, say. The answer is `refusal` of the error.
 */
export type VerifyPeer = (peerChain: readonly Uint8Array[]) => PeerRefusal | undefined;

/** One call of `verify`, and what came of it. */
export class Verification {
  /** Undefined: not refused, or not asked yet. */
  refusal: PeerRefusal | undefined;
  readonly #verify: VerifyPeer | undefined;

  constructor(verify: VerifyPeer | undefined) {
    this.#verify = verify;
  }

  /** For `TlsOptions`; fails closed. */
  readonly verify: VerifyPeer = (peerChain) => {
    this.refusal = this.#call(peerChain);
    return this.refusal;
  };

  #call(peerChain: readonly Uint8Array[]): PeerRefusal | undefined {
    try {
      const answer: unknown = this.#verify?.(peerChain);
      if (answer === undefined || isRefusal(answer)) return answer;
      if (!(answer instanceof Promise)) return `verify answered a ${typeof answer}, neither a reason nor undefined`;
      answer.catch(() => {});
      return 'verify answered a promise: it must decide at once';
    } catch (error) {
      return `verify failed: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
}

function isRefusal(answer: unknown): answer is PeerRefusal {
  if (typeof answer === 'string') return true;
  const isObject = typeof answer === 'object' && answer !== null;
  return isObject && 'certificateError' in answer && typeof answer.certificateError === 'string';
}
