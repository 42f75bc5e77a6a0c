import { decodeOnlyElement } from './der-elements.ts';
import { DerTag } from './der-tags.ts';
import { childrenOf, latin1, malformed } from './der-values.ts';

/** Context-specific tags of a GeneralName, RFC 5280 4.2.1.6. */
export const NameKind = { email: 0x81, directory: 0xa4, uri: 0x86 } as const;

/** Which names an authority may certify. */
export interface NameConstraints {
  /** Hosts of URIs, in lower case; undefined: any. A dot in front: all below it, and not itself. */
  readonly permittedHosts: readonly string[] | undefined;
  readonly excludedHosts: readonly string[];
  /** Kinds of names (tags) that are constrained in ways that are not looked into. */
  readonly otherKinds: ReadonlySet<number>;
}

/** What of a certificate name constraints are about. */
export interface ConstrainedNames {
  /** One character a byte. */
  readonly uriNames: readonly string[];
  /** Tags of all names, the subject's too. */
  readonly kinds: ReadonlySet<number>;
}

const PERMITTED = 0xa0;
const EXCLUDED = 0xa1;
/** RFC 5280 limits nothing here. */
const MAX_SUBTREES = 64;
const URI_HOST = /^[a-z][a-z0-9+.-]*:\/\/([a-z0-9._-]+)(?:[/?#]|$)/;

/** Reads `NameConstraints`. Throws SPIFFE_CERTIFICATE_INVALID. @see RFC 5280 4.2.1.10 */
export function decodeNameConstraints(value: Uint8Array): NameConstraints {
  const what = 'nameConstraints';
  const permitted: string[] = [];
  const excludedHosts: string[] = [];
  const otherKinds = new Set<number>();
  for (const subtrees of childrenOf(decodeOnlyElement(value, DerTag.sequence), DerTag.sequence, what)) {
    if (subtrees.tag !== PERMITTED && subtrees.tag !== EXCLUDED) throw malformed(what);
    const list = childrenOf(subtrees, subtrees.tag, what);
    if (list.length > MAX_SUBTREES) throw malformed(what);
    for (const subtree of list) {
      const [base, ...more] = childrenOf(subtree, DerTag.sequence, what);
      if (base === undefined) throw malformed(what);
      // RFC 5280 allows no minimum and no maximum.
      if (base.tag !== NameKind.uri || more.length > 0) otherKinds.add(base.tag);
      else (subtrees.tag === PERMITTED ? permitted : excludedHosts).push(latin1(base.content).toLowerCase());
    }
  }
  return { permittedHosts: permitted.length === 0 ? undefined : permitted, excludedHosts, otherKinds };
}

/** Whether a certificate below the authority may have these names. A kind that it has none of is not constrained. */
export function permitsNames(constraints: NameConstraints, { uriNames, kinds }: ConstrainedNames): boolean {
  for (const kind of kinds) if (constraints.otherKinds.has(kind)) return false;
  const { permittedHosts, excludedHosts } = constraints;
  if (permittedHosts === undefined && excludedHosts.length === 0) return true;
  return uriNames.every((uri) => {
    const host = URI_HOST.exec(uri.toLowerCase())?.[1];
    if (host === undefined || excludedHosts.some((base) => base === '' || isWithin(host, base))) return false;
    return permittedHosts?.some((base) => isWithin(host, base)) ?? true;
  });
}

function isWithin(host: string, base: string): boolean {
  return base.startsWith('.') ? host.endsWith(base) && host.length > base.length : host === base;
}
