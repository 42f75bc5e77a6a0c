import { Certificate } from './certificate.ts';
import { latin1 } from './der-values.ts';
import { SpiffeError } from './errors.ts';
import { type Refusal, refusal } from './peer-refusal.ts';
import { RevocationList } from './revocation-list.ts';

/** Room for 400,000 entries; a ConfigMap holds 1 MiB. */
const MAX_FILE_BYTES = 16 * 1_048_576;
/** Each is one authority, or one of its keys. */
const MAX_LISTS = 64;
const BLOCK = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g;
const BEGIN = '-----BEGIN X509 CRL-----';
const ANY_BLOCK = '-----BEGIN ';
const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;
/** DER begins with the tag of a sequence; no PEM text that anyone writes begins with a `0`. */
const SEQUENCE = 0x30;

/** The revocation lists of a file. Immutable; swap the whole for a new one. */
export class RevocationLists {
  /** Nothing is revoked. */
  static readonly none = new RevocationLists([]);

  readonly #byIssuer = new Map<string, RevocationList[]>();
  /** How many lists there are. */
  readonly count: number;
  /** How many certificates they list. */
  readonly size: number;

  private constructor(lists: readonly RevocationList[]) {
    for (const list of lists) {
      const others = this.#byIssuer.get(list.issuer);
      if (others === undefined) this.#byIssuer.set(list.issuer, [list]);
      else others.push(list);
    }
    this.count = lists.length;
    this.size = lists.reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * Reads a file: PEM with any number of lists (other blocks are skipped) or the DER of one. Nothing in it is no revocation.
   * Signatures are verified when a list is used, for only then its issuer is known. Throws SPIFFE_CRL_INVALID if any list
   * cannot be used: part of a set would let in what the rest forbids.
   */
  static parse(file: Uint8Array): RevocationLists {
    if (file.length > MAX_FILE_BYTES)
      throw new SpiffeError(
        'SPIFFE_CRL_INVALID',
        `revocation lists of ${file.length} bytes: want ${MAX_FILE_BYTES} at most`,
      );
    if (file[0] === SEQUENCE) return new RevocationLists([new RevocationList(new Uint8Array(file))]);
    const text = latin1(file);
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
   * Whether any certificate of a chain (DER) is listed by a list in its issuer's name, whoever signed that: then it is worth
   * verifying again. Malformed ones count as listed. 20 µs a certificate.
   */
  mentions(chain: readonly Uint8Array[]): boolean {
    return this.#byIssuer.size > 0 && chain.some((der) => this.#mentionsOne(der));
  }

  #mentionsOne(der: Uint8Array): boolean {
    try {
      const { issuer, serial } = new Certificate(der);
      return this.#byIssuer.get(issuer)?.some((list) => list.lists(serial)) ?? false;
    } catch {
      return true;
    }
  }

  /**
   * Why `certificate`, signed by `issuer`, is refused. Lists of another key of the same name do not count; no list at all is
   * no problem. A list that claims this key and is not signed by it is: somebody has changed it, so it proves nothing.
   */
  problem(certificate: Certificate, issuer: Certificate): Refusal | undefined {
    let broken = false;
    let signed = false;
    for (const list of this.#byIssuer.get(issuer.subject) ?? []) {
      const { subjectKeyId } = issuer.extensions;
      const { authorityKeyId } = list;
      if (authorityKeyId !== undefined && subjectKeyId !== undefined && authorityKeyId !== subjectKeyId) continue;
      if (!list.isSignedBy(issuer)) broken = true;
      else if (list.lists(certificate.serial))
        return refusal('SPIFFE_PEER_REVOKED', 'a certificate of the chain is revoked');
      else signed = true;
    }
    if (!broken || signed) return undefined;
    return refusal('SPIFFE_PEER_REVOCATION_LIST', "a revocation list in an authority's name is not signed by it");
  }
}
