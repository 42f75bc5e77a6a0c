import type { ServiceAccountMatch, SourceIdentity, StringMatch } from '../policy.ts';
import { renderIdentity } from './render-value.ts';

/** An identity instead of the one that a connection has, and how to say so. */
export interface NewIdentity {
  readonly identity: SourceIdentity | undefined;
  readonly words: string;
}

/** What a client is thought to be that has no identity, where a policy does not say. */
const USUAL_TRUST_DOMAIN = 'cluster.local';
const USUAL_ACCOUNT = 'default';
/** `td/ns/NAMESPACE/sa/ACCOUNT` */
const PRINCIPAL_PARTS = 5;

/** Identities whose namespace is as a pattern wants it. */
export function identitiesIn(
  patterns: readonly StringMatch[],
  current: SourceIdentity | undefined,
  home: string,
): readonly NewIdentity[] {
  const base = current ?? usualIdentity(home);
  return patterns.flatMap((pattern) => {
    if (pattern.kind === 'presence') return [withCertificate(base)];
    // Only plain text has an empty namespace.
    if (pattern.kind === 'exact' && pattern.value === '') return [IN_PLAIN_TEXT];
    const identity = { ...base, namespace: pattern.value === '' ? base.namespace : pattern.value };
    if (current === undefined) return [asPrincipal(identity, true)];
    const such = pattern.kind === 'exact' ? '' : ` (such as ${identity.namespace})`;
    return [{ identity, words: `the source namespace ${describe(pattern)}${such}` }];
  });
}

/** Identities that as a whole are as a pattern wants them; none for a pattern that no identity can match. */
export function identitiesAs(
  patterns: readonly StringMatch[],
  current: SourceIdentity | undefined,
  home: string,
): readonly NewIdentity[] {
  const base = current ?? usualIdentity(home);
  return patterns.flatMap((pattern) => {
    if (pattern.kind === 'presence') return [withCertificate(base)];
    const identity = completePrincipal(pattern, base);
    if (identity === undefined) return [];
    if (pattern.kind === 'exact') return [asPrincipal(identity, false)];
    return [{ identity, words: `the principal ${describe(pattern)} (such as ${renderIdentity(identity)})` }];
  });
}

/** Identities with one of these accounts. */
export function identitiesOf(
  accounts: readonly ServiceAccountMatch[],
  current: SourceIdentity | undefined,
): readonly NewIdentity[] {
  return accounts.map(({ namespace, serviceAccount }) => ({
    identity: { trustDomain: current?.trustDomain ?? USUAL_TRUST_DOMAIN, namespace, serviceAccount },
    words: `the service account were ${namespace}/${serviceAccount}`,
  }));
}

/** Identities of other accounts and of other namespaces; plain text last, for nobody wants it. */
export function otherAccounts(current: SourceIdentity | undefined): readonly NewIdentity[] {
  if (current === undefined) return [];
  const identity = { ...current, serviceAccount: anotherThan(current.serviceAccount) };
  const elsewhere = { ...current, namespace: anotherThan(current.namespace) };
  return [another(identity), another(elsewhere), IN_PLAIN_TEXT];
}

/** Identities of other namespaces; plain text last, for nobody wants it. */
export function otherNamespaces(current: SourceIdentity | undefined, home: string): readonly NewIdentity[] {
  if (current === undefined) return [withCertificate(usualIdentity(home))];
  const namespace = anotherThan(current.namespace);
  const words = `the source namespace were another (such as ${namespace})`;
  return [{ identity: { ...current, namespace }, words }, IN_PLAIN_TEXT];
}

const IN_PLAIN_TEXT: NewIdentity = { identity: undefined, words: 'the client came in plain text' };

/** In words, as exactly as it can be said after several changes. */
export function asPrincipal(identity: SourceIdentity, example: boolean): NewIdentity {
  return { identity, words: `the principal were ${example ? 'for example ' : ''}${renderIdentity(identity)}` };
}

function withCertificate(identity: SourceIdentity): NewIdentity {
  return { identity, words: `the client had a certificate (such as that of ${renderIdentity(identity)})` };
}

function another(identity: SourceIdentity): NewIdentity {
  return { identity, words: `the principal were another (such as ${renderIdentity(identity)})` };
}

function usualIdentity(namespace: string): SourceIdentity {
  return { trustDomain: USUAL_TRUST_DOMAIN, namespace, serviceAccount: USUAL_ACCOUNT };
}

function anotherThan(name: string): string {
  return name === 'other' ? 'another' : 'other';
}

function describe({ kind, value }: Exclude<StringMatch, { kind: 'presence' }>): string {
  switch (kind) {
    case 'exact':
      return `were ${value}`;
    case 'prefix':
      return `began with ${value}`;
    case 'suffix':
      return `ended in ${value}`;
  }
}

/** What a pattern leaves open is taken from `base`. */
function completePrincipal(
  { kind, value }: Exclude<StringMatch, { kind: 'presence' }>,
  base: SourceIdentity,
): SourceIdentity | undefined {
  if (kind === 'exact') return readPrincipal(value.split('/'));
  const parts = value.split('/');
  const whole = renderIdentity(base).split('/');
  if (parts.length > PRINCIPAL_PARTS) return undefined;
  if (kind === 'prefix') {
    const begun = parts.at(-1) ?? '';
    const open = whole[parts.length - 1] ?? '';
    return readPrincipal([...parts.slice(0, -1), open.startsWith(begun) ? open : begun, ...whole.slice(parts.length)]);
  }
  const ended = parts[0] ?? '';
  const open = whole[PRINCIPAL_PARTS - parts.length] ?? '';
  const kept = whole.slice(0, PRINCIPAL_PARTS - parts.length);
  return readPrincipal([...kept, open.endsWith(ended) ? open : ended, ...parts.slice(1)]);
}

function readPrincipal(parts: readonly string[]): SourceIdentity | undefined {
  const [trustDomain = '', ns, namespace = '', sa, serviceAccount = '', ...surplus] = parts;
  if (ns !== 'ns' || sa !== 'sa' || surplus.length > 0) return undefined;
  if (trustDomain === '' || namespace === '' || serviceAccount === '') return undefined;
  return { trustDomain, namespace, serviceAccount };
}
