import { Certificate } from './certificate.ts';
import { certificateProblem, type PeerUsage } from './certificate-rules.ts';
import { ChainSearch } from './chain-search.ts';
import { type Refusal, refusal } from './peer-refusal.ts';
import { checkIdentities, checkTrustDomain } from './peer-verification.ts';
import { PresentedChain } from './presented-chain.ts';
import type { RevocationLists } from './revocation-lists.ts';
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts';
import { trustAnchorsOf } from './trust-anchors.ts';
import type { TrustBundle } from './trust-bundle.ts';

/** Leaf and what comes with it; the reference's own limit. */
const MAX_CERTIFICATES = 10;
/** Of one certificate: many times what one with an RSA key of 8192 bits takes. */
const MAX_CERTIFICATE_BYTES = 16_384;
/** Of all together: as much as OpenSSL takes by default is 100 KiB. */
const MAX_CHAIN_BYTES = 65_536;

/** Who is let in. */
export type PeerExpectation =
  /** What a server wants: one SPIFFE ID of its own trust domain, or of one of its aliases (none if absent). */
  | { readonly trustDomain: string; readonly aliases?: readonly string[] }
  /** What a client wants: one of these SPIFFE IDs. An empty list matches nobody. */
  | { readonly identities: readonly SpiffeId[] }
  /** Anybody with a valid chain, also without SPIFFE ID: a server that has none itself (hbone.md §1.3). */
  | 'anyone';

/** What {@link verifyPeer} is asked. */
export interface PeerVerification {
  /** DER as received: the leaf first, the others in any order. Read during the call, never kept. */
  readonly chain: readonly Uint8Array[];
  /** Read once, and kept with the bundle: use the same object for every call. */
  readonly roots: TrustBundle;
  /** What the peer is: its certificate must be for that, if it has an extended key usage at all. */
  readonly usage: PeerUsage;
  /** Epoch milliseconds. */
  readonly nowEpochMs: number;
  /** How far clocks may differ, in milliseconds, both ways; 0 if absent. */
  readonly clockSkewMs?: number;
  /** Without them nothing is revoked. */
  readonly revoked?: RevocationLists | undefined;
  readonly expect: PeerExpectation;
}

/** A peer that is let in. */
export interface VerifiedPeer {
  /** The first of `identities`: who it is in logs and policies. */
  readonly identity: SpiffeId | undefined;
  /** All SPIFFE IDs of the leaf, in their order. */
  readonly identities: readonly SpiffeId[];
}

/**
 * Everything that is to be checked of a peer's certificates, in one synchronous call on their bytes, with no help of a TLS
 * library but its proof that the peer has the leaf's key: form, a way to a root with its signatures, dates, constraints,
 * key usages, revocation, and that the peer is expected. Never throws for whatever the peer has sent; a result with
 * `code` is a refusal.
 * @see RFC 5280 6.1
 */
export function verifyPeer(request: PeerVerification): VerifiedPeer | Refusal {
  const read = readChain(request);
  if ('code' in read) return read;
  const [leaf, ...presented] = read.certificates;
  const { usage, nowEpochMs, clockSkewMs = 0, revoked, expect } = request;
  const place = { usage, nowEpochMs, clockSkewMs };
  const identities = leaf.extensions.uriNames.map(parseSpiffeId).filter((id) => id !== undefined);
  const chainProblem =
    certificateProblem(leaf, place) ??
    new ChainSearch({ ...place, leaf, presented, anchors: trustAnchorsOf(request.roots), revoked }).run();
  const problem =
    chainProblem === undefined
      ? expectationProblem(identities, expect)
      : // What a revoked peer adds to its chain must not give its refusal another name.
        (revoked?.problem(PresentedChain.read(request.chain), request.roots) ?? chainProblem);
  return problem === undefined ? { identity: identities[0], identities } : { ...problem, presented: identities };
}

/** Whether the answer of {@link verifyPeer} is a refusal. */
export function isRefusal(answer: VerifiedPeer | Refusal): answer is Refusal {
  return 'code' in answer;
}

interface ReadChain {
  readonly certificates: readonly [Certificate, ...Certificate[]];
}

function readChain({ chain, roots }: PeerVerification): ReadChain | Refusal {
  const [leaf, ...others] = chain;
  if (leaf === undefined) return refusal('SPIFFE_PEER_NO_CERTIFICATE', 'no certificate presented');
  const bytes = chain.reduce((sum, { length }) => sum + length, 0);
  const largest = chain.reduce((most, { length }) => Math.max(most, length), 0);
  if (chain.length > MAX_CERTIFICATES || bytes > MAX_CHAIN_BYTES || largest > MAX_CERTIFICATE_BYTES)
    return refusal('SPIFFE_PEER_TOO_LARGE', `${chain.length} certificates of ${bytes} bytes are too many`);
  try {
    const anchors = trustAnchorsOf(roots);
    return { certificates: [new Certificate(leaf), ...others.map((der) => anchors.intermediate(der))] };
  } catch (error) {
    return refusal('SPIFFE_PEER_MALFORMED', error instanceof Error ? error.message : String(error));
  }
}

function expectationProblem(presented: readonly SpiffeId[], expect: PeerExpectation): Refusal | undefined {
  if (expect === 'anyone') return undefined;
  if ('identities' in expect) return checkIdentities(presented, expect.identities);
  return checkTrustDomain(presented, expect.trustDomain, expect.aliases ?? []);
}
