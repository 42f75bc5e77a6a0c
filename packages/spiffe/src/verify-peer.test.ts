import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { decodeDerElements } from './der-elements.ts';
import { bits, der, integer, oid, pem, sequence } from './testing/der.ts';
import {
  authority,
  DAY,
  ECDSA_SHA1,
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
  signed,
} from './testing/forge.ts';

import {
  answer,
  below,
  deep,
  good,
  ladder,
  leafBy,
  leafWith,
  middle,
  type Question,
  rollover,
  root,
  stranger,
  unrelated,
} from './testing/questions.ts';

const rsa = { 1024: rsaKeys(1024), 2048: rsaKeys(2048) };
const p384 = ecKeys('P-384');
const ed25519 = generateKeyPairSync('ed25519');
const critical = extension('1.2.3.4', Buffer.from('x'), true);
const plainRoot = forgeVersionOne('plain');

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
  { name: 'root of version 1', question: { chain: [leafBy(plainRoot)], roots: [plainRoot] } },
  { name: 'root of a negative number', question: oddRoot({ serial: integer(0x80) }) },
  { name: 'root of a long number', question: oddRoot({ serial: integer(...Array<number>(30).fill(1)) }) },
  { name: 'root with a critical extension', question: oddRoot({ extensions: [authority(), critical] }) },
])('accepted: $name', ({ question }) => {
  expect(answer(question)).toBe('a');
});

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

/** A self-signed certificate of version 1: it says neither its version nor anything about its use. */
function forgeVersionOne(name: string): Forged {
  const { der: bytes, ...forged } = forge({ name });
  const [, ...fields] =
    decodeDerElements(decodeDerElements(decodeDerElements(bytes)?.[0]?.content ?? bytes)?.[0]?.content ?? bytes) ?? [];
  const plain = signed(sequence(...fields.map(({ raw }) => raw)), forged.keys);
  return { ...forged, der: plain, pem: pem('CERTIFICATE', plain) };
}
