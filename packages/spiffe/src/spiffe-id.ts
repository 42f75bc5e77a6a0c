import { SpiffeError } from './errors.ts';

/** Who a workload is: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. */
export interface SpiffeId {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

const SCHEME = 'spiffe://';
// A URI has no blanks, no controls and nothing outside of ASCII; refusing them keeps log lines and comparisons honest.
const VISIBLE_ASCII = /^[\x21-\x7e]*$/;

/**
 * Reads a SPIFFE ID of the one form Istio uses: the scheme in lower case, then exactly five parts, the second `ns`, the
 * fourth `sa`. Parts may be empty (the reference allows it). Undefined for everything else, a trailing slash included.
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
 */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (!text.startsWith(SCHEME) || !VISIBLE_ASCII.test(text)) return undefined;
  const parts = text.slice(SCHEME.length).split('/');
  const [trustDomain, ns, namespace, sa, serviceAccount] = parts;
  if (parts.length !== 5 || ns !== 'ns' || sa !== 'sa') return undefined;
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) return undefined;
  return { trustDomain, namespace, serviceAccount };
}

/** The URI of `id`. The parts are used as they are: see {@link checkedSpiffeUri} for parts of unknown origin. */
export function renderSpiffeId(id: SpiffeId): string {
  return `${SCHEME}${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
}

/** Whether both are the same workload identity: exact and case-sensitive in all three parts. */
export function sameSpiffeId(a: SpiffeId, b: SpiffeId): boolean {
  return a.trustDomain === b.trustDomain && a.namespace === b.namespace && a.serviceAccount === b.serviceAccount;
}

/**
 * The URI of `id`, to be put into a certificate or a request for one.
 * Throws SPIFFE_ID_INVALID if it would read as another identity, such as a namespace with a slash in it.
 */
export function checkedSpiffeUri(id: SpiffeId): string {
  const uri = renderSpiffeId(id);
  const read = parseSpiffeId(uri);
  if (read === undefined || !sameSpiffeId(read, id))
    throw new SpiffeError('SPIFFE_ID_INVALID', `${JSON.stringify(uri)} is not spiffe://<domain>/ns/<ns>/sa/<account>`);
  return uri;
}
