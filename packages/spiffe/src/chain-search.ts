import type { Certificate } from './certificate.ts';
import { certificateProblem, type PeerUsage, type Validity } from './certificate-rules.ts';
import { permitsNames } from './name-constraints.ts';
import { type Refusal, refusal } from './peer-refusal.ts';
import type { RevocationLists } from './revocation-lists.ts';
import { fitsScheme, verifiesSignature } from './signature-scheme.ts';
import type { TrustAnchors } from './trust-anchors.ts';

/** Intermediates between a leaf and a root. Meshes have one or two; the reference allows as many as here. */
const MAX_INTERMEDIATES = 6;
/** A verification with P-384 takes 0.8 ms, so a chain made to cost time holds the thread for 13 ms at most. */
const MAX_SIGNATURE_CHECKS = 16;
/** Certificates looked at, so that many of one name do not make the search exponential. */
const MAX_STEPS = 200;

/** What a chain is searched in and judged by. */
export interface ChainRequest extends Validity {
  readonly leaf: Certificate;
  /** Beside the leaf, in any order. */
  readonly presented: readonly Certificate[];
  readonly anchors: TrustAnchors;
  readonly usage: PeerUsage;
  readonly revoked: RevocationLists | undefined;
}

/**
 * Looks for a way from the leaf over presented intermediates to a root, depth first, and verifies it from the root down.
 * @see RFC 5280 6.1, RFC 4158
 */
export class ChainSearch {
  readonly #request: ChainRequest;
  /** Leaf first. */
  readonly #path: Certificate[];
  /** By subject and issuer, so that no signature is verified twice. */
  readonly #verified = new Map<Certificate, Map<Certificate, Refusal | undefined>>();
  #signatureChecks = 0;
  #steps = 0;
  #problem: Refusal | undefined;

  constructor(request: ChainRequest) {
    this.#request = request;
    this.#path = [request.leaf];
  }

  /** Undefined if there is a way; otherwise what stood in the first one that led anywhere. Call it once. */
  run(): Refusal | undefined {
    if (this.#extend(this.#request.leaf)) return undefined;
    if (this.#exhausted) return refusal('SPIFFE_PEER_TOO_COMPLEX', 'too many ways from the leaf to a root');
    return this.#problem ?? refusal('SPIFFE_PEER_UNKNOWN_ISSUER', 'no way from the leaf to a root');
  }

  get #exhausted(): boolean {
    return this.#steps > MAX_STEPS || this.#signatureChecks > MAX_SIGNATURE_CHECKS;
  }

  #extend(head: Certificate): boolean {
    const { anchors, presented } = this.#request;
    for (const anchor of anchors.named(head.issuer)) if (this.#admits(anchor, head) && this.#ends(anchor)) return true;
    if (this.#path.length > MAX_INTERMEDIATES) return false;
    for (const candidate of presented) {
      if (candidate.subject !== head.issuer || !this.#admits(candidate, head)) continue;
      this.#path.push(candidate);
      if (this.#extend(candidate)) return true;
      this.#path.pop();
    }
    return false;
  }

  /** Whether `issuer`, of the right name, may stand above `head`, but for its signature. */
  #admits(issuer: Certificate, head: Certificate): boolean {
    this.#steps++;
    if (this.#exhausted || !keyIdentifiersFit(issuer, head) || this.#isInPath(issuer)) return false;
    const below = this.#path.filter((certificate, index) => index > 0 && !certificate.selfIssued).length;
    return !this.#note(certificateProblem(issuer, { ...this.#request, authoritiesBelow: below }));
  }

  /** The same key under the same name once more leads nowhere: cross-signed authorities would go round in circles. */
  #isInPath(issuer: Certificate): boolean {
    return this.#path.some(
      (certificate) => certificate.subject === issuer.subject && Buffer.compare(certificate.spki, issuer.spki) === 0,
    );
  }

  /** Whether the path holds below this root. */
  #ends(anchor: Certificate): boolean {
    const path = [...this.#path, anchor];
    if (this.#note(nameProblem(path))) return false;
    for (let i = path.length - 2; i >= 0; i--) {
      const [subject, issuer] = [path[i], path[i + 1]];
      if (subject === undefined || issuer === undefined || this.#note(this.#signatureProblem(subject, issuer)))
        return false;
      if (this.#note(this.#request.revoked?.pathProblem(subject, issuer))) return false;
    }
    for (let i = 1; i < path.length - 1; i++) {
      const [subject, issuer] = [path[i], path[i + 1]];
      if (subject !== undefined && issuer !== undefined) this.#request.anchors.remember(subject, issuer);
    }
    return true;
  }

  #signatureProblem(subject: Certificate, issuer: Certificate): Refusal | undefined {
    if (this.#request.anchors.hasVerified(subject, issuer)) return undefined;
    let byIssuer = this.#verified.get(subject);
    if (byIssuer === undefined) {
      byIssuer = new Map();
      this.#verified.set(subject, byIssuer);
    }
    if (!byIssuer.has(issuer)) byIssuer.set(issuer, this.#verify(subject, issuer));
    return byIssuer.get(issuer);
  }

  #verify(subject: Certificate, issuer: Certificate): Refusal | undefined {
    const { scheme, signed, signature } = subject;
    const { keyKind, publicKey } = issuer;
    if (scheme === undefined)
      return refusal('SPIFFE_PEER_SIGNATURE_ALGORITHM', 'signed with an algorithm that is weak or unknown');
    if (++this.#signatureChecks > MAX_SIGNATURE_CHECKS)
      return refusal('SPIFFE_PEER_TOO_COMPLEX', 'too many signatures');
    if (keyKind === undefined || publicKey === undefined)
      return refusal('SPIFFE_PEER_KEY', 'the key of an authority is weak, of an unknown kind or invalid');
    return fitsScheme(keyKind, scheme) && verifiesSignature(publicKey, scheme, signed, signature)
      ? undefined
      : refusal('SPIFFE_PEER_SIGNATURE', 'a signature does not verify with the key of the issuer');
  }

  /** Keeps the first problem; says whether there was one. */
  #note(problem: Refusal | undefined): boolean {
    this.#problem ??= problem;
    return problem !== undefined;
  }
}

/** RFC 5280 4.2.1.10: authorities that follow themselves are exempt, but for the leaf. */
function nameProblem(path: readonly Certificate[]): Refusal | undefined {
  for (const [place, { extensions }] of path.entries()) {
    const { nameConstraints } = extensions;
    if (nameConstraints === undefined) continue;
    const constrained = path.slice(0, place).filter(({ selfIssued }, i) => i === 0 || !selfIssued);
    if (!constrained.every(({ names }) => permitsNames(nameConstraints, names)))
      return refusal('SPIFFE_PEER_NAME_CONSTRAINTS', "a name is outside of an authority's name constraints");
  }
  return undefined;
}

/** RFC 5280 4.2.1.1: which of several keys of one name signed. Where either says nothing, any may have. */
function keyIdentifiersFit(issuer: Certificate, subject: Certificate): boolean {
  const { authorityKeyId } = subject.extensions;
  const { subjectKeyId } = issuer.extensions;
  return authorityKeyId === undefined || subjectKeyId === undefined || authorityKeyId === subjectKeyId;
}
