import { generateKeyPairSync, sign } from 'node:crypto';
import { isRefusal, parseSpiffeId, type Refusal, TrustBundle, verifyPeer } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';
import { bits, der, integer, oid, sequence } from './testing/der.ts';
import {
  authority,
  authorityKeyId,
  commonName,
  DAY,
  ECDSA_SHA1,
  ECDSA_SHA256,
  ECDSA_SHA384,
  ecKeys,
  extension,
  type Forged,
  type ForgedSpec,
  forge,
  forgeAuthority,
  forgeLeaf,
  ID,
  keyUsage,
  NOW,
  notAuthority,
  purposes,
  RSA_MD5,
  RSA_SHA1,
  rsaKeys,
  san,
  subjectKeyId,
} from './testing/forge.ts';

const rsa = { 1024: rsaKeys(1024), 2048: rsaKeys(2048) };
const p384 = ecKeys('P-384');
const ed25519 = generateKeyPairSync('ed25519');
const root = forgeAuthority({ name: 'root' });
const middle = forgeAuthority({ name: 'middle', by: root });
const stranger = forgeAuthority({ name: 'root' });
const bundle = TrustBundle.parse(root.pem);

interface Question {
  readonly chain: readonly Forged[];
  readonly roots?: readonly Forged[];
  readonly usage?: 'client' | 'server';
  readonly at?: number;
  readonly skew?: number;
}

/** The code of the refusal, or the identity. */
function answer(question: Question): string {
  const result = ask(question);
  if (isRefusal(result)) return result.code;
  const { identity } = result;
  return identity === undefined ? 'nobody' : identity.serviceAccount;
}

function ask({ chain, roots, usage = 'client', at = NOW, skew = 0 }: Question) {
  return verifyPeer({
    chain: chain.map((certificate) => certificate.der),
    roots: roots === undefined ? bundle : TrustBundle.parse(roots.map((one) => one.pem).join('')),
    usage,
    nowEpochMs: at,
    clockSkewMs: skew,
    expect: 'anyone',
  });
}

const leafBy = (by: Forged, spec: ForgedSpec = {}): Forged => forgeLeaf({ by, ...spec });
const leafWith = (...extensions: Buffer[]): Question => ({ chain: [leafBy(root, { extensions })] });
/** A leaf below an intermediate with these properties. */
function below(spec: ForgedSpec): Question {
  const between = forgeAuthority({ name: 'between', by: root, ...spec });
  return { chain: [leafBy(between), between] };
}
const good = leafBy(root);
const deep = leafBy(middle);
const unrelated = forgeAuthority({ name: 'unrelated' });

test.each<{ name: string; question: Question }>([
  { name: 'leaf below a root', question: { chain: [good] } },
  { name: 'leaf, intermediate', question: { chain: [deep, middle] } },
  { name: 'others in between and behind', question: { chain: [deep, unrelated, middle, good] } },
  { name: 'the root is sent, too', question: { chain: [deep, root, middle] } },
  { name: 'two roots', question: { chain: [good], roots: [stranger, root] } },
  { name: 'an intermediate as root', question: { chain: [deep], roots: [middle] } },
  { name: 'key of P-384', question: { chain: [leafBy(root, { keys: p384 })] } },
  { name: 'key of Ed25519', question: { chain: [leafBy(root, { keys: ed25519 })] } },
  { name: 'key of RSA 2048', question: { chain: [leafBy(root, { keys: rsa[2048] })] } },
  { name: 'authority of P-384', question: below({ keys: p384 }) },
  { name: 'authority of Ed25519', question: below({ keys: ed25519 }) },
  { name: 'authority of RSA 2048', question: below({ keys: rsa[2048] }) },
  { name: 'P-256 signs with SHA-384', question: { chain: [leafBy(root, { scheme: ECDSA_SHA384 })] } },
  { name: 'no keyUsage', question: leafWith(notAuthority(), san(ID)) },
  { name: 'no basicConstraints', question: leafWith(san(ID)) },
  {
    name: 'explicit FALSE in basicConstraints',
    question: leafWith(extension('2.5.29.19', sequence(der(1, Buffer.from([0])))), san(ID)),
  },
  { name: 'both purposes', question: leafWith(purposes(1, 2), san(ID)) },
  { name: 'unknown extension, not critical', question: leafWith(san(ID), extension('1.2.3.4', Buffer.from('x'))) },
  { name: 'authority without keyUsage', question: below({ extensions: [authority()] }) },
  { name: 'authority of path length 0', question: below({ extensions: [authority(0)] }) },
  { name: 'first second', question: { chain: [good], at: NOW - DAY } },
  { name: 'last second', question: { chain: [good], at: NOW + DAY + 999 } },
  { name: 'expired within the skew', question: { chain: [good], at: NOW + DAY + 60_000, skew: 60_000 } },
  { name: 'not valid yet within the skew', question: { chain: [good], at: NOW - DAY - 60_000, skew: 60_000 } },
])('accepted: $name', ({ question }) => {
  expect(answer(question)).toBe('a');
});

const critical = extension('1.2.3.4', Buffer.from('x'), true);
const nameConstraints = extension('2.5.29.30', sequence(der(0xa0, sequence(der(0x86, Buffer.from('td'))))), true);

test.each<{ name: string; question: Question; code: string }>([
  { name: 'no certificate', question: { chain: [] }, code: 'NO_CERTIFICATE' },
  { name: 'eleven certificates', question: { chain: [good, ...Array<Forged>(10).fill(middle)] }, code: 'TOO_LARGE' },
  { name: 'a large one', question: leafWith(san(ID, `spiffe://${'x'.repeat(20_000)}`)), code: 'TOO_LARGE' },
  { name: 'rubbish', question: { chain: [{ ...good, der: Buffer.from('rubbish') }] }, code: 'MALFORMED' },
  {
    name: 'rubbish behind',
    question: { chain: [{ ...good, der: Buffer.concat([good.der, Buffer.from([5, 0])]) }] },
    code: 'MALFORMED',
  },
  {
    name: 'rubbish as intermediate',
    question: { chain: [good, { ...good, der: Buffer.from('x') }] },
    code: 'MALFORMED',
  },
  { name: 'version 1', question: { chain: [forge({ by: root, version: Buffer.from([0]) })] }, code: 'MALFORMED' },
  { name: 'version 4', question: { chain: [leafBy(root, { version: Buffer.from([3]) })] }, code: 'MALFORMED' },
  { name: 'negative serial', question: { chain: [leafBy(root, { serial: integer(0x80) })] }, code: 'MALFORMED' },
  { name: 'serial not minimal', question: { chain: [leafBy(root, { serial: integer(0, 1) })] }, code: 'MALFORMED' },
  {
    name: 'serial too long',
    question: { chain: [leafBy(root, { serial: integer(...Array<number>(22).fill(1)) })] },
    code: 'MALFORMED',
  },
  { name: 'two algorithms', question: { chain: [leafBy(root, { outerScheme: ECDSA_SHA384 })] }, code: 'MALFORMED' },
  {
    name: 'unique identifier',
    question: { chain: [leafBy(root, { beforeExtensions: [der(0x81, Buffer.from([0, 1]))] })] },
    code: 'MALFORMED',
  },
  { name: 'an extension twice', question: leafWith(san(ID), san(ID)), code: 'MALFORMED' },
  { name: 'SAN without names', question: leafWith(san()), code: 'MALFORMED' },
  { name: 'SAN that is no list', question: leafWith(extension('2.5.29.17', Buffer.from('x'))), code: 'MALFORMED' },
  {
    name: 'SAN with a name of no kind',
    question: leafWith(extension('2.5.29.17', sequence(integer(1)))),
    code: 'MALFORMED',
  },
  {
    name: 'keyUsage with bits in its padding',
    question: leafWith(extension('2.5.29.15', der(3, Buffer.from([7, 0x81]))), san(ID)),
    code: 'MALFORMED',
  },
  {
    name: 'boolean of neither value',
    question: leafWith(extension('2.5.29.19', sequence(der(1, Buffer.from([1]))))),
    code: 'MALFORMED',
  },
  { name: 'empty extended key usage', question: leafWith(purposes()), code: 'MALFORMED' },
  {
    name: 'time without seconds',
    question: { chain: [leafBy(root, { validity: validity('2601010000Z') })] },
    code: 'MALFORMED',
  },
  {
    name: 'time with offset',
    question: { chain: [leafBy(root, { validity: validity('260101000000+0000') })] },
    code: 'MALFORMED',
  },
  {
    name: '31 February',
    question: { chain: [leafBy(root, { validity: validity('260231000000Z') })] },
    code: 'MALFORMED',
  },
  { name: 'key of P-521', question: { chain: [leafBy(root, { keys: ecKeys('P-521') })] }, code: 'KEY' },
  { name: 'key of secp256k1', question: { chain: [leafBy(root, { keys: ecKeys('secp256k1') })] }, code: 'KEY' },
  { name: 'key of RSA 1024', question: { chain: [leafBy(root, { keys: rsa[1024] })] }, code: 'KEY' },
  { name: 'authority of RSA 1024', question: below({ keys: rsa[1024] }), code: 'KEY' },
  { name: 'compressed point', question: { chain: [leafBy(root, { spki: compressed() })] }, code: 'KEY' },
  { name: 'authority with a point off the curve', question: below({ spki: offTheCurve() }), code: 'KEY' },
  {
    name: 'ECDSA with SHA-1',
    question: { chain: [leafBy(root, { scheme: ECDSA_SHA1 })] },
    code: 'SIGNATURE_ALGORITHM',
  },
  { name: 'RSA with SHA-1', question: weakRsa(RSA_SHA1), code: 'SIGNATURE_ALGORITHM' },
  { name: 'RSA with MD5', question: weakRsa(RSA_MD5), code: 'SIGNATURE_ALGORITHM' },
  { name: 'intermediate with SHA-1', question: below({ scheme: ECDSA_SHA1 }), code: 'SIGNATURE_ALGORITHM' },
  { name: "signed by another key of the root's name", question: { chain: [leafBy(stranger)] }, code: 'SIGNATURE' },
  { name: 'intermediate of a stranger', question: below({ by: stranger }), code: 'SIGNATURE' },
  { name: 'RSA algorithm over a key of P-256', question: { chain: [wrongFamily()] }, code: 'SIGNATURE' },
  { name: 'other CA', question: { chain: [leafBy(unrelated), unrelated] }, code: 'UNKNOWN_ISSUER' },
  { name: 'other CA of the same name, by key identifier', question: rollover(9), code: 'UNKNOWN_ISSUER' },
  { name: 'intermediate missing', question: { chain: [deep] }, code: 'UNKNOWN_ISSUER' },
  { name: 'self-signed leaf', question: { chain: [forgeLeaf({ name: 'alone' })] }, code: 'UNKNOWN_ISSUER' },
  { name: 'self-signed leaf that is in the bundle', question: inBundle(), code: 'NOT_AUTHORITY' },
  { name: 'empty name', question: { chain: [leafBy({ ...root, name: sequence() })] }, code: 'UNKNOWN_ISSUER' },
  { name: 'expired', question: { chain: [good], at: NOW + DAY + 1000 }, code: 'EXPIRED' },
  { name: 'not valid yet', question: { chain: [good], at: NOW - DAY - 1 }, code: 'NOT_YET_VALID' },
  { name: 'no time at all', question: { chain: [good], at: Number.NaN }, code: 'NOT_YET_VALID' },
  { name: 'past the skew', question: { chain: [good], at: NOW + DAY + 62_000, skew: 60_000 }, code: 'EXPIRED' },
  { name: 'expired intermediate', question: below({ notAfter: NOW - 1000 }), code: 'EXPIRED' },
  { name: 'intermediate of the future', question: below({ notBefore: NOW + 1000 }), code: 'NOT_YET_VALID' },
  { name: 'expired root', question: oddRoot({ notAfter: NOW - 1000 }), code: 'EXPIRED' },
  { name: 'for servers only', question: leafWith(purposes(1), san(ID)), code: 'PURPOSE' },
  {
    name: 'for clients only, as server',
    question: { ...leafWith(purposes(2), san(ID)), usage: 'server' },
    code: 'PURPOSE',
  },
  { name: 'for any purpose', question: leafWith(purposes('2.5.29.37.0'), san(ID)), code: 'PURPOSE' },
  { name: 'authority for servers only', question: below({ extensions: [authority(), purposes(1)] }), code: 'PURPOSE' },
  { name: 'keyUsage without digitalSignature', question: leafWith(keyUsage(0x20), san(ID)), code: 'PURPOSE' },
  {
    name: 'authority that may not sign certificates',
    question: below({ extensions: [authority(), keyUsage(0x02)] }),
    code: 'PURPOSE',
  },
  { name: 'a leaf as authority', question: leafOfLeaf(), code: 'NOT_AUTHORITY' },
  {
    name: 'intermediate without basicConstraints',
    question: below({ extensions: [keyUsage(0x06)] }),
    code: 'NOT_AUTHORITY',
  },
  { name: 'root without basicConstraints', question: oddRoot({ extensions: [keyUsage(0x06)] }), code: 'NOT_AUTHORITY' },
  { name: 'authority as leaf', question: leafWith(authority(), san(ID)), code: 'AUTHORITY_AS_LEAF' },
  { name: 'path length of the root', question: tooLong(), code: 'PATH_LENGTH' },
  { name: 'critical extension', question: leafWith(san(ID), critical), code: 'CRITICAL_EXTENSION' },
  {
    name: 'critical extension of an intermediate',
    question: below({ extensions: [authority(), critical] }),
    code: 'CRITICAL_EXTENSION',
  },
  {
    name: 'critical extension of a root',
    question: oddRoot({ extensions: [authority(), critical] }),
    code: 'CRITICAL_EXTENSION',
  },
  {
    name: 'name constraints',
    question: below({ extensions: [authority(), nameConstraints] }),
    code: 'NAME_CONSTRAINTS',
  },
  { name: 'seven intermediates', question: ladder(7), code: 'UNKNOWN_ISSUER' },
])('refused: $name', ({ question, code }) => {
  expect(answer(question)).toBe(`SPIFFE_PEER_${code}`);
});

function validity(from: string): Buffer {
  return sequence(der(0x17, Buffer.from(from)), der(0x17, Buffer.from('270101000000Z')));
}

function compressed(): Buffer {
  const spki = ecKeys().publicKey.export({ type: 'spki', format: 'der' });
  const x = spki.subarray(-64, -32);
  return sequence(
    sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')),
    bits(Buffer.concat([Buffer.from([2]), x])),
  );
}

function offTheCurve(): Buffer {
  const spki = Buffer.from(ecKeys().publicKey.export({ type: 'spki', format: 'der' }));
  spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1;
  return spki;
}

function weakRsa(scheme: typeof RSA_SHA1): Question {
  const by = forgeAuthority({ name: 'rsa', keys: rsa[2048] });
  return { chain: [leafBy(by, { scheme })], roots: [by] };
}

/** Signed by an RSA key, but the root of that name has one of P-256. */
function wrongFamily(): Forged {
  return leafBy({ ...root, keys: rsa[2048] });
}

/** Two roots of one name, told apart by key identifier; the leaf says that key 1 signed, the roots' are 1 and `other`. */
function rollover(one: number): Question {
  const old = forgeAuthority({ name: 'r', extensions: [authority(), subjectKeyId(one)] });
  const next = forgeAuthority({ name: 'r', extensions: [authority(), subjectKeyId(2)] });
  return { chain: [leafBy(old, { extensions: [authorityKeyId(1), san(ID)] })], roots: [next, old] };
}

function inBundle(): Question {
  const alone = forgeLeaf({ name: 'alone' });
  const child = forgeLeaf({ by: alone });
  return { chain: [child], roots: [alone] };
}

function oddRoot(spec: ForgedSpec): Question {
  const odd = forgeAuthority({ name: 'odd', ...spec });
  return { chain: [leafBy(odd)], roots: [odd] };
}

function leafOfLeaf(): Question {
  const first = leafBy(root, { name: 'first' });
  return { chain: [leafBy(first, { name: 'second' }), first] };
}

function tooLong(): Question {
  const top = forgeAuthority({ name: 'top', extensions: [authority(0)] });
  const between = forgeAuthority({ name: 'between', by: top });
  return { chain: [leafBy(between), between], roots: [top] };
}

/** A leaf below so many intermediates below the root. */
function ladder(length: number): Question {
  const rungs = [root];
  for (let i = 0; i < length; i++) rungs.unshift(forgeAuthority({ name: `rung ${i}`, by: rungs[0] ?? root }));
  return { chain: [leafBy(rungs[0] ?? root), ...rungs.slice(0, -1)] };
}

test('six intermediates are accepted, in any order', () => {
  const { chain } = ladder(6);
  const [leaf = good, ...others] = chain;
  expect(answer({ chain: [leaf, ...others.toReversed()] })).toBe('a');
});

test.each([
  { name: 'old key', by: 'old' },
  { name: 'new key', by: 'next' },
])('rollover: one name, two keys: $name', ({ by }) => {
  const keys = { old: forgeAuthority({ name: 'r' }), next: forgeAuthority({ name: 'r' }) };
  const signer = by === 'old' ? keys.old : keys.next;
  expect(answer({ chain: [leafBy(signer)], roots: [keys.old, keys.next] })).toBe('a');
  expect(answer({ chain: [leafBy(signer)], roots: [keys.next, keys.old] })).toBe('a');
  expect(answer(rollover(1))).toBe('a');
});

test('rollover: the new root, signed by the old one, for peers that have only the old one', () => {
  const old = forgeAuthority({ name: 'r', extensions: [authority(1), subjectKeyId(1)] });
  const next = forgeAuthority({ name: 'r', extensions: [authority(1), subjectKeyId(2)] });
  const cross = forgeAuthority({ name: 'r', keys: next.keys, by: old, extensions: [authority(0), subjectKeyId(2)] });
  const between = forgeAuthority({ name: 'm', by: next, extensions: [authority(0), authorityKeyId(2)] });
  const leaf = leafBy(between);
  expect(answer({ chain: [leaf, between, cross], roots: [old] })).toBe('SPIFFE_PEER_PATH_LENGTH');
  const free = forgeAuthority({ name: 'r', keys: next.keys, by: old, extensions: [authority(1), subjectKeyId(2)] });
  expect(answer({ chain: [leaf, free, between], roots: [old] })).toBe('a');
  expect(answer({ chain: [leaf, free, between], roots: [next] })).toBe('a');
});

test('cross-signed in a circle: the way to the root is found, and without it the search ends', () => {
  const [one, two] = [ecKeys(), ecKeys()];
  const names = { one: commonName('one'), two: commonName('two') };
  const oneByTwo = forgeAuthority({ name: 'one', keys: one, by: { keys: two, name: names.two } });
  const twoByOne = forgeAuthority({ name: 'two', keys: two, by: { keys: one, name: names.one } });
  const oneByRoot = forgeAuthority({ name: 'one', keys: one, by: root });
  const leaf = leafBy(oneByTwo);
  expect(answer({ chain: [leaf, oneByTwo, twoByOne] })).toBe('SPIFFE_PEER_UNKNOWN_ISSUER');
  expect(answer({ chain: [leaf, oneByTwo, twoByOne, oneByRoot] })).toBe('a');
});

test('an expired way beside a good one does not matter', () => {
  const keys = ecKeys();
  const stale = forgeAuthority({ name: 'x', keys, by: root, notAfter: NOW - 1000 });
  const fresh = forgeAuthority({ name: 'x', keys, by: root });
  expect(answer({ chain: [leafBy(fresh), stale, fresh] })).toBe('a');
});

test('nine authorities of one name that all might have signed each other cost little', () => {
  const swarm = Array.from({ length: 9 }, () => forgeAuthority({ name: 'root' }));
  const leaf = leafBy(swarm[0] ?? root, { by: stranger });
  const cpu = process.cpuUsage();
  expect(answer({ chain: [leaf, ...swarm] })).toMatch(/TOO_COMPLEX|SIGNATURE/);
  // Sixteen signatures of P-256; the exponential search would be 60,000.
  expect(process.cpuUsage(cpu).user).toBeLessThan(100_000);
});

test('a bundle of twenty roots of one name stays below the limit of signatures or is refused', () => {
  const roots = Array.from({ length: 20 }, () => forgeAuthority({ name: 'same' }));
  const [first = root] = roots;
  expect(answer({ chain: [leafBy(first)], roots })).toBe('a');
  expect(answer({ chain: [leafBy(roots[19] ?? root)], roots })).toBe('SPIFFE_PEER_TOO_COMPLEX');
});

test('what was verified once is not trusted by another bundle', () => {
  expect(answer({ chain: [deep, middle] })).toBe('a');
  expect(answer({ chain: [deep, middle] })).toBe('a');
  expect(answer({ chain: [deep, middle], roots: [unrelated] })).toBe('SPIFFE_PEER_UNKNOWN_ISSUER');
  expect(answer({ chain: [deep, middle], at: NOW + 2 * DAY })).toBe('SPIFFE_PEER_EXPIRED');
});

test('the chain is not kept: its bytes may change afterwards', () => {
  const [leaf, between] = [Buffer.from(deep.der), Buffer.from(middle.der)];
  const request = {
    chain: [leaf, between],
    roots: bundle,
    usage: 'client',
    nowEpochMs: NOW,
    expect: 'anyone',
  } as const;
  expect(isRefusal(verifyPeer(request))).toBe(false);
  between.fill(0);
  expect(isRefusal(verifyPeer(request))).toBe(true);
  expect(answer({ chain: [deep, middle] })).toBe('a');
});

const OTHER = 'spiffe://other/ns/default/sa/b';
const NEW_TD = 'spiffe://new-td/ns/default/sa/c';

test.each([
  { name: 'own trust domain', uris: [ID], expect: { trustDomain: 'td' }, want: 'a' },
  { name: 'own trust domain second', uris: [OTHER, ID], expect: { trustDomain: 'td' }, want: 'b' },
  { name: 'foreign trust domain', uris: [OTHER], expect: { trustDomain: 'td' }, want: 'SPIFFE_PEER_TRUST_DOMAIN' },
  { name: 'no alias by default', uris: [NEW_TD], expect: { trustDomain: 'td' }, want: 'SPIFFE_PEER_TRUST_DOMAIN' },
  { name: 'alias', uris: [NEW_TD], expect: { trustDomain: 'td', aliases: ['x', 'new-td'] }, want: 'c' },
  {
    name: 'no alias of it',
    uris: [OTHER],
    expect: { trustDomain: 'td', aliases: ['new-td'] },
    want: 'SPIFFE_PEER_TRUST_DOMAIN',
  },
  {
    name: 'aliases are exact',
    uris: [NEW_TD],
    expect: { trustDomain: 'td', aliases: ['NEW-TD', 'new', '*'] },
    want: 'SPIFFE_PEER_TRUST_DOMAIN',
  },
  { name: 'no SPIFFE ID', uris: ['https://td/'], expect: { trustDomain: 'td' }, want: 'SPIFFE_PEER_TRUST_DOMAIN' },
  { name: 'trailing slash', uris: [`${ID}/`], expect: { trustDomain: 'td' }, want: 'SPIFFE_PEER_TRUST_DOMAIN' },
  { name: 'expected', uris: [ID], expect: { identities: ids(OTHER, ID) }, want: 'a' },
  { name: 'second is expected', uris: [OTHER, ID], expect: { identities: ids(ID) }, want: 'b' },
  { name: 'not expected', uris: [ID], expect: { identities: ids(OTHER) }, want: 'SPIFFE_PEER_SAN' },
  { name: 'nobody expected', uris: [ID], expect: { identities: [] }, want: 'SPIFFE_PEER_SAN' },
  { name: 'anyone', uris: ['https://td/'], expect: 'anyone' as const, want: 'nobody' },
])('1.3, 1.4 expectation: $name', ({ uris, expect: wanted, want }) => {
  const chain = [forgeLeaf({ by: root, uris }).der];
  const result = verifyPeer({ chain, roots: bundle, usage: 'client', nowEpochMs: NOW, expect: wanted });
  expect(isRefusal(result) ? result.code : (result.identity?.serviceAccount ?? 'nobody')).toBe(want);
});

function ids(...uris: string[]) {
  return uris.map((uri) => parseSpiffeId(uri)).filter((id) => id !== undefined);
}

const T = NOW / 1000;

test.each<{ name: string; question: Question; alert: number; text: string }>([
  { name: 'no client certificate', question: { chain: [] }, alert: 116, text: 'NoCertificatesPresented' },
  { name: 'other CA', question: { chain: [leafBy(unrelated)] }, alert: 48, text: 'UnknownIssuer' },
  {
    name: 'expired',
    question: { chain: [good], at: NOW + 2 * DAY },
    alert: 45,
    text: `ExpiredContext { time: UnixTime(${T + 172_800}), not_after: UnixTime(${T + 86_400}) }`,
  },
  {
    name: 'not valid yet',
    question: { chain: [good], at: NOW - 2 * DAY },
    alert: 45,
    text: `NotValidYetContext { time: UnixTime(${T - 172_800}), not_before: UnixTime(${T - 86_400}) }`,
  },
  {
    name: 'EKU without clientAuth',
    question: leafWith(purposes(1), san(ID)),
    alert: 43,
    text: 'InvalidPurposeContext { required: ClientAuth, presented: [ServerAuth] }',
  },
  { name: 'bad signature', question: { chain: [leafBy(stranger)] }, alert: 51, text: 'BadSignature' },
  { name: 'malformed', question: { chain: [{ ...good, der: Buffer.from('x') }] }, alert: 42, text: 'BadEncoding' },
])('4 alert and text of the reference: $name', ({ question, alert, text }) => {
  const result = ask(question);
  expect(isRefusal(result) && { alert: result.alert, text: result.certificateError }).toEqual({ alert, text });
});

test('4 other trust domain: the identities are named as the reference does', () => {
  const chain = [forgeLeaf({ by: root, uris: [OTHER] }).der];
  const roots = bundle;
  const result = verifyPeer({ chain, roots, usage: 'client', nowEpochMs: NOW, expect: { trustDomain: 'td' } });
  const debug = 'Spiffe { trust_domain: "other", namespace: "default", service_account: "b" }';
  expect(result).toMatchObject({
    alert: 46,
    certificateError: `Other(OtherError(SanTrustDomainError("td", [${debug}])))`,
    presented: ids(OTHER),
  } satisfies Partial<Refusal>);
});

test('a bit string with unused bits is no signature', () => {
  const certificate = forgeLeaf({ by: root });
  const [body, signature] = [certificate.der.subarray(4), sign('sha256', Buffer.from('x'), root.keys.privateKey)];
  const length = 4 + body.readUInt16BE(2);
  const odd = sequence(body.subarray(0, length), ECDSA_SHA256.algorithm, der(0x03, Buffer.from([1]), signature));
  expect(answer({ chain: [{ ...certificate, der: odd }] })).toBe('SPIFFE_PEER_MALFORMED');
});
