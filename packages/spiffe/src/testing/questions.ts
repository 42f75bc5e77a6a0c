import { TrustBundle } from '../trust-bundle.ts';
import { isRefusal, verifyPeer } from '../verify-peer.ts';
import {
  authority,
  authorityKeyId,
  type Forged,
  type ForgedSpec,
  forgeAuthority,
  forgeLeaf,
  ID,
  NOW,
  san,
  subjectKeyId,
} from './forge.ts';

/** Trusted. */
export const root = forgeAuthority({ name: 'root' });
/** Below it. */
export const middle = forgeAuthority({ name: 'middle', by: root });
/** Another one of the root's name. */
export const stranger = forgeAuthority({ name: 'root' });
export const bundle = TrustBundle.parse(root.pem);

/** A chain and what it is asked for; the rest has defaults. */
export interface Question {
  readonly chain: readonly Forged[];
  readonly roots?: readonly Forged[];
  readonly usage?: 'client' | 'server';
  readonly at?: number;
  readonly skew?: number;
}

/** The code of the refusal, or the identity. */
export function answer(question: Question): string {
  const result = ask(question);
  if (isRefusal(result)) return result.code;
  const { identity } = result;
  return identity === undefined ? 'nobody' : identity.serviceAccount;
}

/** Asks verifyPeer, expecting anyone. */
export function ask({ chain, roots, usage = 'client', at = NOW, skew = 0 }: Question) {
  return verifyPeer({
    chain: chain.map((certificate) => certificate.der),
    roots: roots === undefined ? bundle : TrustBundle.parse(roots.map((one) => one.pem).join('')),
    usage,
    nowEpochMs: at,
    clockSkewMs: skew,
    expect: 'anyone',
  });
}

/** A leaf. */
export const leafBy = (by: Forged, spec: ForgedSpec = {}): Forged => forgeLeaf({ by, ...spec });
/** A leaf below the root with these extensions. */
export const leafWith = (...extensions: Buffer[]): Question => ({ chain: [leafBy(root, { extensions })] });
/** A leaf below an intermediate with these properties. */
export function below(spec: ForgedSpec): Question {
  const between = forgeAuthority({ name: 'between', by: root, ...spec });
  return { chain: [leafBy(between), between] };
}
export const good = leafBy(root);
export const deep = leafBy(middle);
export const unrelated = forgeAuthority({ name: 'unrelated' });

/** Two roots of one name, told apart by key identifier; the leaf says that key 1 signed, the roots' are 1 and `other`. */
export function rollover(one: number): Question {
  const old = forgeAuthority({ name: 'r', extensions: [authority(), subjectKeyId(one)] });
  const next = forgeAuthority({ name: 'r', extensions: [authority(), subjectKeyId(2)] });
  return { chain: [leafBy(old, { extensions: [authorityKeyId(1), san(ID)] })], roots: [next, old] };
}

/** A leaf below so many intermediates below the root. */
export function ladder(length: number): Question {
  const rungs = [root];
  for (let i = 0; i < length; i++) rungs.unshift(forgeAuthority({ name: `rung ${i}`, by: rungs[0] ?? root }));
  return { chain: [leafBy(rungs[0] ?? root), ...rungs.slice(0, -1)] };
}
