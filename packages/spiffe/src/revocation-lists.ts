import type { Certificate } from './certificate.ts';
import { latin1, nameText, withoutLeadingZeros } from './der-values.ts';
import { SpiffeError } from './errors.ts';
import { ListProofs } from './list-proofs.ts';
import { listSigner } from './list-signer.ts';
import { type Refusal, refusal } from './peer-refusal.ts';
import { type PresentedCertificate, type PresentedChain, readListed } from './presented-chain.ts';
import { type ListProof, RevocationList } from './revocation-list.ts';
import type { TrustBundle } from './trust-bundle.ts';

/** Room for 400,000 entries; a ConfigMap holds 1 MiB. */
const MAX_FILE_BYTES = 16 * 1_048_576;
/** Each is one authority, or one of its keys. */
const MAX_LISTS = 64;
const BLOCK = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g;
const BEGIN = '-----BEGIN X509 CRL-----';
const ANY_BLOCK = '-----BEGIN ';
const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;
/** DER begins with the tag of a sequence. */
const SEQUENCE = 0x30;
const LINE_ENDS: ReadonlySet<number | undefined> = new Set([0x0a, 0x0d, 0x20]);

/** The revocation lists of a file. Immutable; swap the whole for a new one. */
export class RevocationLists {
  /** Nothing is revoked. */
  static readonly none = new RevocationLists([]);

  readonly #byIssuer = new Map<string, RevocationList[]>();
  /** How many lists are in use. */
  readonly count: number;
  /** How many certificates they list. */
  readonly size: number;
  /**
   * Lists that say nothing about any certificate, one line each, worth a warning: deltas, indirect ones, those about
   * attribute certificates, and those with a critical extension that is unknown. A certificate that only they are about
   * counts as one without a list.
   */
  readonly unused: readonly string[];

  private constructor(lists: readonly RevocationList[]) {
    const used = lists.filter(({ unusable }) => unusable === undefined);
    for (const list of used) {
      const others = this.#byIssuer.get(list.issuer);
      if (others === undefined) this.#byIssuer.set(list.issuer, [list]);
      else others.push(list);
    }
    this.count = used.length;
    this.size = used.reduce((sum, { size }) => sum + size, 0);
    this.unused = lists.flatMap(({ unusable }, i) => (unusable === undefined ? [] : [`list ${i + 1}: ${unusable}`]));
  }

  /**
   * Reads a file: PEM with any number of lists (other blocks are skipped) or the DER of one. Nothing in it is no revocation.
   * Signatures are verified when a list is used, for only then its issuer is known. Throws SPIFFE_CRL_INVALID if any list
   * is malformed: part of a file would let in what the rest forbids.
   */
  static parse(file: Uint8Array): RevocationLists {
    if (file.length > MAX_FILE_BYTES)
      throw new SpiffeError(
        'SPIFFE_CRL_INVALID',
        `revocation lists of ${file.length} bytes: want ${MAX_FILE_BYTES} at most`,
      );
    const bytes = new Uint8Array(file);
    if (bytes[0] === SEQUENCE && !Buffer.from(bytes.buffer).includes(ANY_BLOCK))
      return new RevocationLists([new RevocationList(bytes.subarray(0, endOfDer(bytes)))]);
    const text = latin1(bytes);
    const blocks = [...text.matchAll(BLOCK)].map(([, base64 = '']) => base64);
    if (blocks.length !== text.split(BEGIN).length - 1 || blocks.some((base64) => !BASE64.test(base64)))
      throw new SpiffeError('SPIFFE_CRL_INVALID', 'revocation lists: a PEM block is cut or is no base64');
    if (blocks.length === 0 && text.trim() !== '' && !text.includes(ANY_BLOCK))
      throw new SpiffeError('SPIFFE_CRL_INVALID', 'revocation lists: neither PEM nor DER');
    if (blocks.length > MAX_LISTS)
      throw new SpiffeError('SPIFFE_CRL_INVALID', `${blocks.length} revocation lists: want ${MAX_LISTS} at most`);
    return new RevocationLists(blocks.map((base64) => new RevocationList(Buffer.from(base64, 'base64'))));
  }

  /**
   * Why a peer with this chain is refused, whatever way from its leaf to a root may be taken: each presented certificate is
   * looked up, also one that is good for nothing else. A list of a presented certificate's issuer must be signed by a key
   * of that name, among `roots` and `chain`; if it is not, it proves nothing, and the peer is refused (it is somebody's who
   * can write the file, or a mistake). No list of an issuer: allowed. Never throws. About 3 µs, once the signatures are
   * verified. Of presented keys that are new four are tried, as a try hashes the list: what they would prove is unproved.
   */
  problem(chain: PresentedChain, roots: TrustBundle): Refusal | undefined {
    if (this.count === 0) return undefined;
    const proofs = new ListProofs(chain, roots);
    let problem: Refusal | undefined;
    for (const certificate of chain.certificates) {
      const lists = this.#byIssuer.get(certificate.issuer);
      if (lists === undefined) continue;
      const found = presentedProblem(certificate, lists, proofs);
      if (found?.code === 'SPIFFE_PEER_REVOKED') return found;
      problem ??= found;
    }
    if (problem !== undefined || chain.complete) return problem;
    return refusal('SPIFFE_PEER_MALFORMED', 'a certificate that is to be looked up in revocation lists cannot be read');
  }

  /**
   * Whether a list of its issuer's name lists any of these certificates (DER), whoever has signed it: `problem` would refuse
   * the peer for that. For connections that run, which end for nothing else. Certificates that cannot be read are on no
   * list. Never throws. About 5 µs a certificate.
   */
  listsAny(chain: readonly Uint8Array[]): boolean {
    if (this.size === 0) return false;
    return chain.some((der) => {
      const read = readListed(der);
      return read !== undefined && this.#byIssuer.get(read.issuer)?.some((list) => list.lists(read.serial)) === true;
    });
  }

  /**
   * Why `certificate`, signed by `issuer`, is refused. Lists of another key of the same name do not count; no list at all is
   * no problem. A list that claims this key and is not signed by it is: somebody has changed it, so it proves nothing.
   */
  pathProblem(certificate: Certificate, issuer: Certificate): Refusal | undefined {
    const lists = this.#byIssuer.get(issuer.subject);
    if (lists === undefined) return undefined;
    const signers = { trusted: [listSigner(issuer.spki, issuer.extensions)], presented: [] };
    const serial = withoutLeadingZeros(certificate.serial);
    let [broken, signed]: [ListProof | undefined, boolean] = [undefined, false];
    for (const list of lists) {
      const proof = list.proofBy(signers, { failed: new Set(), max: 0 });
      if (proof === 'signed' && list.lists(serial)) return revoked();
      if (proof === 'signed') signed = true;
      else if (proof !== 'other-key') broken = proof;
    }
    return broken === undefined || signed ? undefined : unproved(broken);
  }

  /** Whose lists these are: names as in a {@link PresentedChain}, and the same for people. */
  get issuers(): ReadonlyMap<string, string> {
    return new Map([...this.#byIssuer.keys()].map((name) => [name, nameText(name)]));
  }
}

/** The one element that the file is; what follows it are the line ends of an editor, or else part of it. */
function endOfDer(bytes: Uint8Array): number {
  let end = bytes.length;
  while (LINE_ENDS.has(bytes[end - 1])) end--;
  // A signature may end in such bytes: the length at the beginning tells how many belong to it.
  const lengthBytes = (bytes[1] ?? 0) > 0x80 ? (bytes[1] ?? 0) - 0x80 : 0;
  let content = lengthBytes === 0 ? (bytes[1] ?? 0) : 0;
  for (let i = 0; i < lengthBytes; i++) content = content * 256 + (bytes[2 + i] ?? 0);
  return Math.min(bytes.length, Math.max(end, 2 + lengthBytes + content));
}

function presentedProblem(
  { issuer, serial }: PresentedCertificate,
  lists: readonly RevocationList[],
  proofs: ListProofs,
): Refusal | undefined {
  const listing = lists.filter((list) => list.lists(serial));
  // An authority with a new key revokes with it what it signed with the old one.
  const listed = listing.map((list) => proofs.of(list));
  if (listed.includes('signed')) return revoked();
  const [unprovedListing] = listed;
  if (unprovedListing !== undefined) return unproved(unprovedListing);
  const signers = proofs.signersNamed(issuer);
  // Without a key of the issuer's name the certificate is no part of a way to a root: it was sent for nothing.
  if (signers.trusted.length + signers.presented.length === 0) return undefined;
  // One signed list is enough, and the others are not even hashed: one of a key that is gone would be, at each handshake.
  if (lists.some((list) => list.isKnownToBeSignedBy(signers))) return undefined;
  let broken: ListProof | undefined;
  for (const list of lists) {
    const proof = proofs.of(list);
    if (proof === 'signed') return undefined;
    if (proof !== 'other-key') broken ??= proof;
  }
  return broken && unproved(broken);
}

function revoked(): Refusal {
  return refusal('SPIFFE_PEER_REVOKED', 'a certificate of the chain is revoked');
}

function unproved(proof: ListProof): Refusal {
  if (proof === 'not-allowed')
    return refusal(
      'SPIFFE_PEER_REVOCATION_LIST',
      'an authority has a revocation list, but may not sign any: its keyUsage lacks cRLSign',
      'InvalidCertRevocationList(IssuerInvalidForCrl)',
    );
  return refusal('SPIFFE_PEER_REVOCATION_LIST', "a revocation list in an authority's name is not signed by it");
}
